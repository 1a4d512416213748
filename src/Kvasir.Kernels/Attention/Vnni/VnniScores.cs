using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Kvasir.Kernels.Assembly;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Memory;

namespace Kvasir.Kernels.Attention.Vnni;

/// <summary>Scores of few queries against q8 keys, by the assembled kernel: 64 rows at a time, wherever they lie.</summary>
internal static unsafe class VnniScores
{
    private const int BlockRows = RowWindow.BlockRows;
    private const int Queries = ScoreCode.MostQueries;

    public static bool IsSupported => AssembledKernel.IsAllowed && CpuFeatures.HasVnni;

    /// <param name="queries">[queryCount, keys.Dim].</param>
    /// <param name="queryCount">At least 1.</param>
    /// <param name="keys">Where the rows lie.</param>
    /// <param name="rows">At least one.</param>
    /// <param name="factor">Multiplied into every score.</param>
    /// <param name="scores">scores[q * stride + i].</param>
    /// <param name="stride">Elements.</param>
    [SkipLocalsInit]
    public static void Run(float* queries, int queryCount, PagedRows keys, RowSet rows, float factor, float* scores, int stride)
    {
        var blockCount = RowBlocks.Count(keys.Dim);
        var tileBytes = QuantizedQueries.Bytes(blockCount);
        var scratch = stackalloc byte[(queryCount + Queries - 1) / Queries * tileBytes + CacheLines.Bytes];
        var prepared = (byte*)CacheLines.Align(scratch);
        for (var q = 0; q < queryCount; q += Queries)
            QuantizedQueries.Prepare(queries + (long)q * keys.Dim, Math.Min(Queries, queryCount - q), keys.Dim, factor, prepared + q / Queries * tileBytes);

        var floats = stackalloc byte[(Queries * (ScoreCode.TurnRows + BlockRows) + (blockCount + 1) * BlockRows) * sizeof(float) + CacheLines.Bytes];
        var sums = CacheLines.Align(floats);
        var tail = sums + Queries * ScoreCode.TurnRows;
        var nothing = sums;
        var arguments = new ScoreArguments { Sums = sums, Scales = tail + Queries * BlockRows, Blocks = blockCount };
        var storage = stackalloc byte*[RowWindow.Length];
        var window = new RowWindow(storage, keys, rows);
        nint scaleStride = rows.IsRange ? keys.Layout.ScaleStride : 0;
        for (var i = 0; i < rows.Count; i += BlockRows)
        {
            var count = Math.Min(BlockRows, rows.Count - i);
            var located = window.From(i);
            arguments.Rows = located.Codes;
            arguments.Turns = (count + ScoreCode.TurnRows - 1) / ScoreCode.TurnRows;
            RowScales.Widen(located.Scales, count, scaleStride, blockCount, arguments.Scales);
            for (var q = 0; q < queryCount; q += Queries)
            {
                var ahead = q > 0 ? LookAhead.None((byte**)&nothing) : window.Ahead(i, 2 * blockCount, (byte**)&nothing);
                arguments.Ahead = ahead.First;
                arguments.ScalesAhead = ahead.Scales;
                arguments.AheadStepBytes = ahead.StepBytes;
                arguments.Queries = prepared + q / Queries * tileBytes;
                Score(ref arguments, Math.Min(Queries, queryCount - q), count, scores + (long)q * stride + i, stride, tail);
            }
        }
    }

    // The kernel writes whole turns.
    private static void Score(ref ScoreArguments arguments, int queryCount, int rowCount, float* scores, int stride, float* tail)
    {
        var isWhole = rowCount % ScoreCode.TurnRows == 0;
        arguments.Scores = isWhole ? scores : tail;
        arguments.ScoreStrideBytes = (isWhole ? stride : BlockRows) * sizeof(float);
        fixed (ScoreArguments* p = &arguments)
            Kernel(queryCount)(p);
        for (var q = 0; q < queryCount && !isWhole; q++)
            new ReadOnlySpan<float>(tail + q * BlockRows, rowCount).CopyTo(new Span<float>(scores + (long)q * stride, rowCount));
    }

    private static delegate* unmanaged[SuppressGCTransition]<ScoreArguments*, void> Kernel(int queryCount) =>
        (delegate* unmanaged[SuppressGCTransition]<ScoreArguments*, void>)ScoreCode.Kernels.Address(queryCount);
}

/// <summary>What the kernel of <see cref="ScoreCode"/> is called with.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct ScoreArguments
{
    /// <summary>Addresses of the codes of 32 rows for every turn.</summary>
    public byte** Rows;

    /// <summary>Addresses of codes to ask for: one for every block of every turn.</summary>
    public byte** Ahead;

    /// <summary>Addresses of scales to ask for: as many.</summary>
    public byte** ScalesAhead;

    /// <summary>From one of those addresses to the next that is used; 0 repeats the first.</summary>
    public long AheadStepBytes;

    /// <summary>From <see cref="QuantizedQueries"/>.</summary>
    public byte* Queries;

    /// <summary>[block, 64]: from <see cref="RowScales"/>.</summary>
    public float* Scales;

    /// <summary>Scratch of [4, 32] floats.</summary>
    public float* Sums;

    /// <summary>The first score of the first query.</summary>
    public float* Scores;

    public long ScoreStrideBytes;

    /// <summary>At least 1.</summary>
    public long Blocks;

    /// <summary>1 or 2.</summary>
    public long Turns;
}
