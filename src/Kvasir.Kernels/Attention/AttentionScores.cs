using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Elementwise;

namespace Kvasir.Kernels.Attention;

public delegate void ScoresFunc(ReadOnlySpan<float> queries, PagedRows keys, RowSet rows, float scale, Span<float> scores, int stride);

/// <summary>
/// scores[q * stride + i] = scale * dot(queries[q], key of the i-th row). Every key row is read from memory once for all queries. Causal
/// masks and windows are the caller's. Few queries are rounded to 16-bit integers before they meet q8 keys: an error of at most 1.6e-5 of
/// scale * (largest element of the query) * (sum of the key's magnitudes).
/// </summary>
public static unsafe class AttentionScores
{
    /// <summary>The forms of the kernels; a codec that lacks one takes the widest before it.</summary>
    public static readonly Variant<ScoresFunc>[] Variants =
        [.. RowCodec.Q8.Forms.Select(static form => new Variant<ScoresFunc>(form.Name, form.IsSupported, Named(form.Name)))];

    /// <summary>Scores of the rows named.</summary>
    /// <param name="queries">[queryCount, keys.Dim]: the query group of one KV head, times the prompt rows.</param>
    /// <param name="keys">The keys of that head.</param>
    /// <param name="rows">At most stride.</param>
    /// <param name="scale">Usually 1 / sqrt(dim).</param>
    /// <param name="scores">At least (queryCount - 1) * stride + rows.Count elements; only the scores themselves are written.</param>
    /// <param name="stride">Elements from one query's scores to the next's.</param>
    public static void Rows(ReadOnlySpan<float> queries, PagedRows keys, RowSet rows, float scale, Span<float> scores, int stride) =>
        Rows(keys.Codec.Kernels, queries, keys, rows, scale, scores, stride);

    private static void Rows(
        RowKernels kernels, ReadOnlySpan<float> queries, PagedRows keys, RowSet rows, float scale, Span<float> scores, int stride)
    {
        var queryCount = queries.Length / keys.Dim;
        Lengths.RequireEqual(queries.Length, queryCount * keys.Dim, nameof(queries));
        if (queryCount == 0 || rows.Count == 0)
            return;
        ArgumentOutOfRangeException.ThrowIfLessThan(stride, rows.Count);
        Lengths.RequireAtLeast(scores.Length, (queryCount - 1L) * stride + rows.Count, nameof(scores));
        fixed (float* q = queries, s = scores)
            kernels.Score(q, queryCount, keys, rows, scale, s, stride);
    }

    private static ScoresFunc Named(string form) => (queries, keys, rows, scale, scores, stride) =>
        Rows(keys.Codec.Form(form), queries, keys, rows, scale, scores, stride);
}
