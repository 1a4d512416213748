using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Kvasir.Kernels.Assembly;
using Kvasir.Kernels.Matrix.Packed;
using Kvasir.Kernels.Matrix.Tiles;

namespace Kvasir.Kernels.Matrix.Amx;

/// <summary>
/// Weights of any packed type, or bf16 as stored, times a batch, by AMX tiles: 512 columns of thirty-two rows are turned into bf16 tiles that stay in
/// the first cache level, and up to 512 rows of the batch, whose same columns stay in the second, pass over them.
/// </summary>
/// <remarks>
/// Quantised weights lose up to 1/512 of themselves by this, and activations too, each about a quarter of what quantising activations to bytes loses. Weights
/// that are bf16 numbers lose nothing: <see cref="ActivationKind.BF16PairTiles"/>.
/// </remarks>
internal static unsafe class AmxProduct
{
    // What widening the weights costs is only worth it for this many rows: quantised weights have faster kernels for small batches than bf16 ones.
    private const int FewestRows = 64;
    private const int FewestBf16Rows = 16;

    private const int PartColumns = AmxActivations.PartColumns;

    // Of weights and of activations whose sums, half a megabyte, stay in the second cache level beside the activations of a part of the columns.
    private const int BlockPanels = 8;
    private const int MostRows = 512;
    private const int SumsBytes = BlockPanels * MostRows * PanelFormat.Rows * sizeof(float);
    private const int PanelBytes = PartColumns / AmxActivations.StepColumns * Bf16Pairs.StepBytes;

    public static bool IsSupported => AssembledKernel.IsAllowed && CpuFeatures.HasAmx;

    /// <summary>Whether this is the way to multiply so many rows.</summary>
    public static bool Pays(in WeightMatrix weights, int batch) => Pays(weights.Type, weights.IsPacked, weights.Columns, batch);

    /// <summary>The same of weights that are not there yet.</summary>
    public static bool Pays(WeightType type, bool isPacked, int columns, int batch) =>
        IsSupported && columns % AmxActivations.StepColumns == 0 && batch >= (isPacked ? FewestRows : FewestBf16Rows)
        && (isPacked || type == WeightType.BF16);

    /// <summary>The form of activations that these weights want.</summary>
    public static ActivationKind KindOf(WeightType type) => type == WeightType.BF16 ? ActivationKind.BF16PairTiles : ActivationKind.BF16Tiles;

    /// <summary>Takes half a megabyte of stack.</summary>
    /// <param name="weights">Of a kind that <see cref="Pays(in WeightMatrix, int)"/>.</param>
    /// <param name="rows">From a multiple of 32 on if the weights are packed.</param>
    /// <param name="activations">The batch, prepared.</param>
    /// <param name="batch">At least 1.</param>
    /// <param name="results">Of the first of the rows.</param>
    /// <param name="resultStride">Elements.</param>
    [SkipLocalsInit]
    public static void Run(in WeightMatrix weights, (int First, int Count) rows, byte* activations, int batch, float* results, int resultStride)
    {
        var scratch = stackalloc byte[SumsBytes + PanelBytes + AmxTiles.RowBytes];
        var panel = (byte*)((nint)(scratch + AmxTiles.RowBytes - 1) & -AmxTiles.RowBytes);
        var sums = (float*)(panel + PanelBytes);
        for (var first = 0; first < batch; first += MostRows)
        {
            var count = Math.Min(MostRows, batch - first);
            var groups = new AmxGroups(KindOf(weights.Type), activations, weights.Columns, batch, first, count);
            for (var row = 0; row < rows.Count; row += BlockPanels * PanelFormat.Rows)
            {
                var block = (rows.First + row, Math.Min(BlockPanels * PanelFormat.Rows, rows.Count - row));
                RunBlock(weights, block, groups, count, panel, sums, results + (long)first * resultStride + row, resultStride);
            }
        }
    }

    /// <summary>
    /// A few panels: sums stay in one piece until the last columns, since rows of results are so far apart that few sets of a cache would hold them.
    /// </summary>
    private static void RunBlock(
        in WeightMatrix weights, (int First, int Count) rows, in AmxGroups groups, int batch, byte* panel, float* sums, float* results, int resultStride)
    {
        for (var column = 0; column < weights.Columns; column += PartColumns)
        {
            var columns = (First: column, Count: Math.Min(PartColumns, weights.Columns - column));
            var isLast = column + columns.Count == weights.Columns;
            for (var row = 0; row < rows.Count; row += PanelFormat.Rows)
            {
                var count = Math.Min(PanelFormat.Rows, rows.Count - row);
                Widen(weights, (rows.First + row, count), columns, panel);
                var own = sums + row * MostRows;
                var kept = new AmxRows(own, PanelFormat.Rows);
                var source = column == 0 ? default : kept;
                groups.Multiply(panel, columns, source, isLast && count == PanelFormat.Rows ? new AmxRows(results + row, resultStride) : kept);
                for (var b = 0; b < batch && isLast && count < PanelFormat.Rows; b++)
                    Unsafe.CopyBlockUnaligned(results + (long)b * resultStride + row, own + b * PanelFormat.Rows, (uint)count * sizeof(float));
            }
        }
    }

    private static void Widen(in WeightMatrix weights, (int First, int Count) rows, (int First, int Count) columns, byte* panel)
    {
        if (weights.IsPacked)
            WidenPacked(weights, rows.First / PanelFormat.Rows, columns, panel);
        else if (rows.Count == PanelFormat.Rows)
            Pair(new TileRows(Element(weights, rows.First, columns.First), (nint)weights.RowBytes), columns.Count, panel);
        else
            PairFewer(weights, rows, columns, panel);
    }

    private static byte* Element(in WeightMatrix weights, int row, int column) => weights.Data.Start + row * weights.RowBytes + column * sizeof(ushort);

    private static void WidenPacked(in WeightMatrix weights, int panelIndex, (int First, int Count) columns, byte* target)
    {
        var format = PackedWeights.Format(weights.Type);
        var block = WeightLayout.BlockElements(weights.Type);
        var panel = weights.Data.Start + panelIndex * PackedWeights.PanelBytes(format, weights.Columns);
        for (var column = columns.First; column < columns.First + columns.Count; column += block)
        {
            var source = panel + (long)column / block * format.BlockBytes;
            format.Widen(source, source + format.CodeBytes, target);
            target += block / AmxActivations.StepColumns * Bf16Pairs.StepBytes;
        }
    }

    /// <summary>Fewer rows of bf16 numbers than a panel: copied to where a whole one may be read.</summary>
    [SkipLocalsInit]
    private static void PairFewer(in WeightMatrix weights, (int First, int Count) rows, (int First, int Count) columns, byte* target)
    {
        var stride = columns.Count * sizeof(ushort);
        var copy = stackalloc byte[PanelFormat.Rows * stride];
        Unsafe.InitBlock(copy, 0, (uint)(PanelFormat.Rows * stride));
        for (var i = 0; i < rows.Count; i++)
            Unsafe.CopyBlockUnaligned(copy + i * stride, Element(weights, rows.First + i, columns.First), (uint)stride);
        Pair(new TileRows(copy, stride), columns.Count, target);
    }

    /// <summary>Rows of bf16 numbers: two neighbours are a word.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Pair(TileRows rows, int columns, byte* target)
    {
        const int WordsBytes = 4 * sizeof(int);
        for (var half = 0; half < 2; half++)
        {
            var own = new TileRows(rows.Row(half * PanelFormat.Rows / 2), rows.Stride);
            for (var offset = 0; offset < columns * sizeof(ushort); offset += WordsBytes)
            {
                WordLanes512.LoadWords(own, offset, out var word0, out var word1, out var word2, out var word3);
                var at = offset / AmxTiles.RowBytes * Bf16Pairs.StepBytes + half * Bf16Pairs.TileBytes
                    + offset % AmxTiles.RowBytes / sizeof(int) * Bf16Pairs.PairBytes;
                var pairs = (Vector512<int>*)(target + at);
                (pairs[0], pairs[1], pairs[2], pairs[3]) = (word0, word1, word2, word3);
            }
        }
    }
}
