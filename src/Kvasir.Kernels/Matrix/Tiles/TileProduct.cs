using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace Kvasir.Kernels.Matrix.Tiles;

/// <summary>
/// The loops around panels. A tile is as many rows of weights as a vector has lanes; its panels are unpacked one after the other, each
/// multiplied by a part of the batch that stays in the second cache level while all tiles pass.
/// </summary>
internal static unsafe class TileProduct<TLanes, TVector, TKernel>
    where TLanes : struct, IWordLanes<TVector>
    where TVector : unmanaged
    where TKernel : struct, IPanelKernel<TVector>
{
    private const int BatchPart = 64;
    private const int PanelsAhead = 1;
    private const int CacheLineBytes = 64;

    [SkipLocalsInit]
    public static void Run(in ProductArguments product)
    {
        if (product.RowCount < TLanes.Count)
        {
            RunPadded(product);
            return;
        }

        var scratch = stackalloc byte[(Panel<TVector>.Vectors + BatchPart + 1) * sizeof(TVector)];
        var panel = new Panel<TVector>((TVector*)(((nint)scratch + sizeof(TVector) - 1) & -sizeof(TVector)));
        for (var first = 0; first < product.Batch; first += BatchPart)
        {
            var batch = new BatchRange(first, Math.Min(BatchPart, product.Batch - first));
            for (var row = 0; row < product.RowCount; row += TLanes.Count)
            {
                // The last tile may overlap the one before: it gives the same results again.
                var start = Math.Min(row, product.RowCount - TLanes.Count);
                Tile(product, new TileRows(product.WeightRow(start), product.RowBytes), panel, batch);
                Store(product, start, TLanes.Count, panel, batch);
            }
        }
    }

    /// <summary>Fewer rows than lanes: each panel's bytes are copied to where a whole tile may be read.</summary>
    [SkipLocalsInit]
    private static void RunPadded(in ProductArguments product)
    {
        var scratch = stackalloc byte[(Panel<TVector>.Vectors + BatchPart + 1) * sizeof(TVector)];
        var panel = new Panel<TVector>((TVector*)(((nint)scratch + sizeof(TVector) - 1) & -sizeof(TVector)));
        var stride = TKernel.WeightBytes(Panel<TVector>.Columns);
        var copy = stackalloc byte[TLanes.Count * stride];
        Unsafe.InitBlock(copy, 0, (uint)(TLanes.Count * stride));
        for (var first = 0; first < product.Batch; first += BatchPart)
        {
            var batch = new BatchRange(first, Math.Min(BatchPart, product.Batch - first));
            Clear(panel, batch);
            for (var column = 0; column < product.Columns; column += Panel<TVector>.Columns)
            {
                var part = Part(product, column);
                for (var row = 0; row < product.RowCount; row++)
                    Unsafe.CopyBlockUnaligned(
                        copy + row * stride, product.WeightRow(row) + TKernel.WeightBytes(column), (uint)TKernel.WeightBytes(part.Columns));
                TKernel.Unpack(new TileRows(copy, stride), part.Columns, panel);
                Multiply(product, part, panel, batch);
            }

            Store(product, 0, product.RowCount, panel, batch);
        }
    }

    private static void Tile(in ProductArguments product, TileRows rows, Panel<TVector> panel, BatchRange batch)
    {
        Clear(panel, batch);
        for (var column = 0; column < product.Columns; column += Panel<TVector>.Columns)
        {
            var part = Part(product, column);
            Prefetch(product, rows, column + PanelsAhead * Panel<TVector>.Columns);
            TKernel.Unpack(rows.Advance(TKernel.WeightBytes(column)), part.Columns, panel);
            Multiply(product, part, panel, batch);
        }
    }

    /// <summary>So many short streams are beyond what the hardware follows by itself. Past a row's end come the next tile's rows.</summary>
    private static void Prefetch(in ProductArguments product, TileRows rows, int column)
    {
        var source = rows.First + TKernel.WeightBytes(Math.Min(column, product.Columns));
        if (column >= product.Columns)
            source = rows.Row(TLanes.Count) + TKernel.WeightBytes(Math.Min(column - product.Columns, product.Columns));
        var bytes = TKernel.WeightBytes(Panel<TVector>.Columns);
        for (var lane = 0; lane < TLanes.Count; lane++, source += rows.Stride)
        {
            for (var offset = 0; offset < bytes; offset += CacheLineBytes)
                Sse.Prefetch0(source + offset);
        }
    }

    private static void Multiply(in ProductArguments product, PanelPart part, Panel<TVector> panel, BatchRange batch)
    {
        var b = 0;
        for (; b + TKernel.BatchRows <= batch.Count; b += TKernel.BatchRows)
            TKernel.MultiplyBatch(panel, part, product.ActivationRow(batch.First + b), product.ActivationBytes, Sums(panel) + b);
        for (; b < batch.Count; b++)
            TKernel.Multiply(panel, part, product.ActivationRow(batch.First + b), Sums(panel) + b);
    }

    private static void Store(in ProductArguments product, int row, int rows, Panel<TVector> panel, BatchRange batch)
    {
        for (var b = 0; b < batch.Count; b++)
            Unsafe.CopyBlockUnaligned(product.ResultRow(batch.First + b) + row, Sums(panel) + b, (uint)(rows * sizeof(float)));
    }

    private static void Clear(Panel<TVector> panel, BatchRange batch) =>
        Unsafe.InitBlock(Sums(panel), 0, (uint)(batch.Count * sizeof(TVector)));

    private static PanelPart Part(in ProductArguments product, int column) =>
        new(column, Math.Min(Panel<TVector>.Columns, product.Columns - column), product.Columns);

    /// <summary>One vector per row of the batch's part, behind the panel.</summary>
    private static TVector* Sums(Panel<TVector> panel) => panel.Codes + Panel<TVector>.Vectors;

    private readonly record struct BatchRange(int First, int Count);
}
