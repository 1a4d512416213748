using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Elementwise;

namespace Kvasir.Kernels.Attention;

public delegate void ValuesFunc(ReadOnlySpan<float> weights, int stride, PagedRows values, RowSet rows, Span<float> outputs);

/// <summary>
/// outputs[q, d] += sum over i of weights[q * stride + i] * (value of the i-th row)[d]. Every value row is read from memory once for all
/// queries. Few weights without a sign may be rounded before they meet q8 values: each, times the scales of its row, to 16 bits of the largest
/// of 64 rows' such products, an error of at most 7.7e-6 of that.
/// </summary>
public static unsafe class AttentionValues
{
    /// <summary>The forms of the kernels; a codec that lacks one takes the widest before it.</summary>
    public static readonly Variant<ValuesFunc>[] Variants =
        [.. RowCodec.Q8.Forms.Select(static form => new Variant<ValuesFunc>(form.Name, form.IsSupported, Named(form.Name)))];

    /// <summary>Adds the weighted rows.</summary>
    /// <param name="weights">At least (queryCount - 1) * stride + rows.Count elements: what softmax made of the scores.</param>
    /// <param name="stride">Elements from one query's weights to the next's; at least rows.Count.</param>
    /// <param name="values">The values of one KV head.</param>
    /// <param name="rows">In any order.</param>
    /// <param name="outputs">[queryCount, values.Dim]; added to, so the caller clears it first.</param>
    public static void Rows(ReadOnlySpan<float> weights, int stride, PagedRows values, RowSet rows, Span<float> outputs) =>
        Rows(values.Codec.Kernels, weights, stride, values, rows, outputs);

    private static void Rows(RowKernels kernels, ReadOnlySpan<float> weights, int stride, PagedRows values, RowSet rows, Span<float> outputs)
    {
        var queryCount = outputs.Length / values.Dim;
        Lengths.RequireEqual(outputs.Length, queryCount * values.Dim, nameof(outputs));
        if (queryCount == 0 || rows.Count == 0)
            return;
        ArgumentOutOfRangeException.ThrowIfLessThan(stride, rows.Count);
        Lengths.RequireAtLeast(weights.Length, (queryCount - 1L) * stride + rows.Count, nameof(weights));
        fixed (float* w = weights, o = outputs)
            kernels.AddWeighted(w, stride, values, rows, o, queryCount);
    }

    private static ValuesFunc Named(string form) => (weights, stride, values, rows, outputs) =>
        Rows(values.Codec.Form(form), weights, stride, values, rows, outputs);
}
