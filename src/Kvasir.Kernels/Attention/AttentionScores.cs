using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Kvasir.Kernels.Attention.Vnni;
using Kvasir.Kernels.Elementwise;
using Kvasir.Kernels.Memory;

namespace Kvasir.Kernels.Attention;

public delegate void ScoresFunc(ReadOnlySpan<float> queries, PagedRows keys, RowSet rows, float scale, Span<float> scores, int stride);

/// <summary>
/// scores[q * stride + i] = scale * dot(queries[q], key of the i-th row). Every key row is read from memory once for all queries. Causal
/// masks and windows are the caller's. Few queries are rounded to 16-bit integers before they meet q8 keys: an error of at most 1.6e-5 of
/// scale * (largest element of the query) * (sum of the key's magnitudes).
/// </summary>
public static unsafe class AttentionScores
{
    private const int FewQueries = 24;

    public static readonly Variant<ScoresFunc>[] Variants =
    [
        new("scalar", true, Run<Lanes1, float>),
        new("128", Vector128.IsHardwareAccelerated, Run<Lanes128, Vector128<float>>),
        new("256", Vector256.IsHardwareAccelerated, Run<Lanes256, Vector256<float>>),
        new("512", Vector512.IsHardwareAccelerated, Run<Lanes512, Vector512<float>>),
        new("vnni", VnniScores.IsSupported, RunVnni),
    ];

    /// <summary>Scores of the rows named.</summary>
    /// <param name="queries">[queryCount, keys.Dim]: the query group of one KV head, times the prompt rows.</param>
    /// <param name="keys">The keys of that head.</param>
    /// <param name="rows">At most stride.</param>
    /// <param name="scale">Usually 1 / sqrt(dim).</param>
    /// <param name="scores">At least (queryCount - 1) * stride + rows.Count elements; only the scores themselves are written.</param>
    /// <param name="stride">Elements from one query's scores to the next's.</param>
    public static void Rows(ReadOnlySpan<float> queries, PagedRows keys, RowSet rows, float scale, Span<float> scores, int stride)
    {
        if (VnniScores.IsSupported)
            RunVnni(queries, keys, rows, scale, scores, stride);
        else if (Vector512.IsHardwareAccelerated)
            Run<Lanes512, Vector512<float>>(queries, keys, rows, scale, scores, stride);
        else if (Vector256.IsHardwareAccelerated)
            Run<Lanes256, Vector256<float>>(queries, keys, rows, scale, scores, stride);
        else if (Vector128.IsHardwareAccelerated)
            Run<Lanes128, Vector128<float>>(queries, keys, rows, scale, scores, stride);
        else
            Run<Lanes1, float>(queries, keys, rows, scale, scores, stride);
    }

    // The integer kernels are for q8 rows that meet few queries.
    private static void RunVnni(ReadOnlySpan<float> queries, PagedRows keys, RowSet rows, float scale, Span<float> scores, int stride)
    {
        var queryCount = queries.Length / keys.Dim;
        if (keys.Type != KvType.Q8 || queryCount >= FewQueries)
        {
            Run<Lanes512, Vector512<float>>(queries, keys, rows, scale, scores, stride);
            return;
        }

        if (!HasWork(queries, keys, rows, scores, stride))
            return;
        fixed (float* q = queries, s = scores)
            VnniScores.Run(q, queryCount, keys, rows, scale, s, stride);
    }

    private static bool HasWork(ReadOnlySpan<float> queries, PagedRows keys, RowSet rows, Span<float> scores, int stride)
    {
        var queryCount = queries.Length / keys.Dim;
        Lengths.RequireEqual(queries.Length, queryCount * keys.Dim, nameof(queries));
        if (queryCount == 0 || rows.Count == 0)
            return false;
        ArgumentOutOfRangeException.ThrowIfLessThan(stride, rows.Count);
        Lengths.RequireAtLeast(scores.Length, (queryCount - 1L) * stride + rows.Count, nameof(scores));
        return true;
    }

    private static void Run<TLanes, V>(ReadOnlySpan<float> queries, PagedRows keys, RowSet rows, float scale, Span<float> scores, int stride)
        where TLanes : struct, ILanes<V>
        where V : struct
    {
        if (!HasWork(queries, keys, rows, scores, stride))
            return;
        switch (keys.Type)
        {
            case KvType.F32: Run<F32Codec, TLanes, V>(queries, keys, rows, scale, scores, stride); break;
            case KvType.BF16: Run<Bf16Codec, TLanes, V>(queries, keys, rows, scale, scores, stride); break;
            case KvType.Int8 or KvType.Int8Channel: Run<Int8Codec, TLanes, V>(queries, keys, rows, scale, scores, stride); break;
            default: Run<Q8Codec, TLanes, V>(queries, keys, rows, scale, scores, stride); break;
        }
    }

    private static void Run<TCodec, TLanes, V>(ReadOnlySpan<float> queries, PagedRows keys, RowSet rows, float scale, Span<float> scores, int stride)
        where TCodec : struct, IKvCodec
        where TLanes : struct, ILanes<V>
        where V : struct
    {
        fixed (float* q = queries, s = scores)
        {
            if (queries.Length / keys.Dim < FewQueries)
                ScoreTiles<TCodec, TLanes, V>.Run(q, queries.Length / keys.Dim, keys, rows, scale, s, stride);
            else
                ForMany<TCodec, TLanes, V>(q, queries.Length / keys.Dim, keys, rows, scale, s, stride);
        }
    }

    [SkipLocalsInit]
    private static void ForMany<TCodec, TLanes, V>(float* queries, int queryCount, PagedRows keys, RowSet rows, float scale, float* scores, int stride)
        where TCodec : struct, IKvCodec
        where TLanes : struct, ILanes<V>
        where V : struct
    {
        var blockCount = KvCodecs.BlockCount(keys.Dim);
        var panelRows = PanelProduct<TLanes, V>.MostRows(blockCount);
        var panelFloats = panelRows * blockCount * KvCodecs.BlockElements;
        var scratch = stackalloc byte[(panelFloats + TLanes.Count * blockCount * KvCodecs.BlockElements) * sizeof(float) + CacheLines.Bytes];
        var panel = CacheLines.Align(scratch);
        var addresses = stackalloc byte*[2 * panelRows];
        var located = new StoredRows(addresses, addresses + panelRows);
        for (var i = 0; i < rows.Count; i += panelRows)
        {
            var count = Math.Min(panelRows, rows.Count - i);
            rows.Locate(keys, i, panelRows, located);
            RowPanel<TCodec, TLanes, V>.WidenTransposed(located, count, keys.Dim, scale, panel, panel + panelFloats);
            PanelProduct<TLanes, V>.Run(queries, keys.Dim, panel, new PanelTarget(scores + i, stride, isFresh: true), queryCount, keys.Dim, count);
        }
    }
}
