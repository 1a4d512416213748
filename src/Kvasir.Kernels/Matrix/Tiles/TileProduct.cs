using System.Runtime.CompilerServices;

namespace Kvasir.Kernels.Matrix.Tiles;

/// <summary>
/// The loops around panels. A tile is as many rows of weights as a vector has lanes; its panels are unpacked one after the other, each
/// multiplied by a part of the batch that stays in the second cache level while all tiles pass.
/// </summary>
internal static unsafe class TileProduct<TLanes, TVector, TKernel>
    where TLanes : struct, ILanes<TVector>
    where TVector : unmanaged
    where TKernel : struct, IPanelKernel<TVector>
{
    private const int BatchPart = 64;

    [SkipLocalsInit]
    public static void Run(in Product product)
    {
        var vectors = Panel<TVector>.Vectors + BatchPart;
        var scratch = stackalloc byte[(vectors + 1) * sizeof(TVector)];
        var start = (TVector*)(((nint)scratch + sizeof(TVector) - 1) & -sizeof(TVector));
        var rows = stackalloc byte*[TLanes.Count];

        var panel = new Panel<TVector>(start);
        var sums = start + Panel<TVector>.Vectors;
        for (var first = 0; first < product.Batch; first += BatchPart)
        {
            var batch = Math.Min(BatchPart, product.Batch - first);
            for (var row = 0; row < product.RowCount; row += TLanes.Count)
            {
                // A tile that reaches over the end repeats the last row; its results are not stored.
                for (var lane = 0; lane < TLanes.Count; lane++)
                    rows[lane] = product.WeightRow(Math.Min(row + lane, product.RowCount - 1));
                Tile(product, rows, panel, (first, batch), sums);
                Store(product, row, (first, batch), sums);
            }
        }
    }

    private static void Tile(in Product product, byte** rows, Panel<TVector> panel, (int First, int Count) batch, TVector* sums)
    {
        Unsafe.InitBlock(sums, 0, (uint)(batch.Count * sizeof(TVector)));
        for (var column = 0; column < product.Columns; column += Panel<TVector>.Columns)
        {
            var part = new PanelPart(column, Math.Min(Panel<TVector>.Columns, product.Columns - column), product.Columns);
            TKernel.Unpack(rows, part, panel);

            var b = 0;
            for (; b + TKernel.BatchRows <= batch.Count; b += TKernel.BatchRows)
                TKernel.MultiplyBatch(panel, part, product.ActivationRow(batch.First + b), product.ActivationBytes, sums + b);
            for (; b < batch.Count; b++)
                TKernel.Multiply(panel, part, product.ActivationRow(batch.First + b), sums + b);
        }
    }

    private static void Store(in Product product, int row, (int First, int Count) batch, TVector* sums)
    {
        var bytes = (uint)(Math.Min(TLanes.Count, product.RowCount - row) * sizeof(float));
        for (var b = 0; b < batch.Count; b++)
            Unsafe.CopyBlockUnaligned(product.ResultRow(batch.First + b) + row, sums + b, bytes);
    }
}
