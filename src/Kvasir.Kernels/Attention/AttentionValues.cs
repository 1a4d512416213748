using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Kvasir.Kernels.Attention.Vnni;
using Kvasir.Kernels.Elementwise;
using Kvasir.Kernels.Memory;

namespace Kvasir.Kernels.Attention;

public delegate void ValuesFunc(ReadOnlySpan<float> weights, int stride, PagedRows values, RowSet rows, Span<float> outputs);

/// <summary>
/// outputs[q, d] += sum over i of weights[q * stride + i] * (value of the i-th row)[d]. Every value row is read from memory once for all
/// queries. Few weights without a sign may be rounded before they meet q8 values: each, times the scales of its row, to 16 bits of the largest
/// of 64 rows' such products, an error of at most 7.7e-6 of that.
/// </summary>
public static unsafe class AttentionValues
{
    // Below this, widening each row for every four queries costs less than a panel.
    private const int FewQueries = 24;

    public static readonly Variant<ValuesFunc>[] Variants =
    [
        new("scalar", true, Run<Lanes1, float>),
        new("128", Vector128.IsHardwareAccelerated, Run<Lanes128, Vector128<float>>),
        new("256", Vector256.IsHardwareAccelerated, Run<Lanes256, Vector256<float>>),
        new("512", Vector512.IsHardwareAccelerated, Run<Lanes512, Vector512<float>>),
        new("vnni", VnniValues.IsSupported, RunVnni),
    ];

    /// <summary>Adds the weighted rows.</summary>
    /// <param name="weights">At least (queryCount - 1) * stride + rows.Count elements: what softmax made of the scores.</param>
    /// <param name="stride">Elements from one query's weights to the next's; at least rows.Count.</param>
    /// <param name="values">The values of one KV head.</param>
    /// <param name="rows">In any order.</param>
    /// <param name="outputs">[queryCount, values.Dim]; added to, so the caller clears it first.</param>
    public static void Rows(ReadOnlySpan<float> weights, int stride, PagedRows values, RowSet rows, Span<float> outputs)
    {
        if (VnniValues.IsSupported)
            RunVnni(weights, stride, values, rows, outputs);
        else if (Vector512.IsHardwareAccelerated)
            Run<Lanes512, Vector512<float>>(weights, stride, values, rows, outputs);
        else if (Vector256.IsHardwareAccelerated)
            Run<Lanes256, Vector256<float>>(weights, stride, values, rows, outputs);
        else if (Vector128.IsHardwareAccelerated)
            Run<Lanes128, Vector128<float>>(weights, stride, values, rows, outputs);
        else
            Run<Lanes1, float>(weights, stride, values, rows, outputs);
    }

    // The integer kernels are for q8 rows that meet few queries.
    private static void RunVnni(ReadOnlySpan<float> weights, int stride, PagedRows values, RowSet rows, Span<float> outputs)
    {
        var queryCount = outputs.Length / values.Dim;
        if (values.Type != KvType.Q8 || queryCount >= FewQueries)
        {
            Run<Lanes512, Vector512<float>>(weights, stride, values, rows, outputs);
            return;
        }

        if (!HasWork(weights, stride, values, rows, outputs))
            return;
        fixed (float* w = weights, o = outputs)
            VnniValues.Run(w, stride, values, rows, o, queryCount);
    }

    private static bool HasWork(ReadOnlySpan<float> weights, int stride, PagedRows values, RowSet rows, Span<float> outputs)
    {
        var queryCount = outputs.Length / values.Dim;
        Lengths.RequireEqual(outputs.Length, queryCount * values.Dim, nameof(outputs));
        if (queryCount == 0 || rows.Count == 0)
            return false;
        ArgumentOutOfRangeException.ThrowIfLessThan(stride, rows.Count);
        Lengths.RequireAtLeast(weights.Length, (queryCount - 1L) * stride + rows.Count, nameof(weights));
        return true;
    }

    private static void Run<TLanes, V>(ReadOnlySpan<float> weights, int stride, PagedRows values, RowSet rows, Span<float> outputs)
        where TLanes : struct, ILanes<V>
        where V : struct
    {
        if (!HasWork(weights, stride, values, rows, outputs))
            return;
        switch (values.Type)
        {
            case KvType.F32: Run<F32Codec, TLanes, V>(weights, stride, values, rows, outputs); break;
            case KvType.BF16: Run<Bf16Codec, TLanes, V>(weights, stride, values, rows, outputs); break;
            case KvType.Int8 or KvType.Int8Channel: Run<Int8Codec, TLanes, V>(weights, stride, values, rows, outputs); break;
            default: Run<Q8Codec, TLanes, V>(weights, stride, values, rows, outputs); break;
        }
    }

    private static void Run<TCodec, TLanes, V>(ReadOnlySpan<float> weights, int stride, PagedRows values, RowSet rows, Span<float> outputs)
        where TCodec : struct, IKvCodec
        where TLanes : struct, ILanes<V>
        where V : struct
    {
        fixed (float* w = weights, o = outputs)
        {
            if (outputs.Length / values.Dim < FewQueries)
                ValueTiles<TCodec, TLanes, V>.Run(w, stride, values, rows, o, outputs.Length / values.Dim);
            else
                ForMany<TCodec, TLanes, V>(w, stride, values, rows, o, outputs.Length / values.Dim);
        }
    }

    [SkipLocalsInit]
    private static void ForMany<TCodec, TLanes, V>(float* weights, int stride, PagedRows values, RowSet rows, float* outputs, int queryCount)
        where TCodec : struct, IKvCodec
        where TLanes : struct, ILanes<V>
        where V : struct
    {
        var blockCount = KvCodecs.BlockCount(values.Dim);
        var panelRows = PanelProduct<TLanes, V>.MostRows(blockCount);
        var scratch = stackalloc byte[panelRows * blockCount * KvCodecs.BlockElements * sizeof(float) + CacheLines.Bytes];
        var panel = CacheLines.Align(scratch);
        var addresses = stackalloc byte*[2 * panelRows];
        var located = new StoredRows(addresses, addresses + panelRows);
        for (var i = 0; i < rows.Count; i += panelRows)
        {
            var count = Math.Min(panelRows, rows.Count - i);
            rows.Locate(values, i, count, located);
            RowPanel<TCodec, TLanes, V>.Widen(located, count, blockCount, panel);
            PanelProduct<TLanes, V>.Run(weights + i, stride, panel, new PanelTarget(outputs, values.Dim, isFresh: false), queryCount, count, values.Dim);
        }
    }
}
