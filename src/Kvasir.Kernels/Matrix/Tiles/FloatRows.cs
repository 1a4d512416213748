using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;
using Kvasir.Kernels.Matrix.Codecs;

namespace Kvasir.Kernels.Matrix.Tiles;

/// <summary>
/// Float weights and a batch of a few rows: memory is the limit, so rows are read where they lie, four at a time, with one load of
/// activations for the four, and the next four are asked for meanwhile: a row is often a page, behind whose end the hardware does not look.
/// </summary>
internal static unsafe class FloatRows<TLanes, TVector, TCodec>
    where TLanes : struct, IWordLanes<TVector>
    where TVector : unmanaged
    where TCodec : struct, IFloatCodec
{
    private const int RowsAtOnce = 4;
    private const int CacheLineBytes = 64;

    [SkipLocalsInit]
    public static void Run(in ProductArguments product)
    {
        var sums = stackalloc float[RowsAtOnce];
        for (var row = 0; row < product.RowCount; row += RowsAtOnce)
        {
            var rows = Math.Min(RowsAtOnce, product.RowCount - row);
            for (var b = 0; b < product.Batch; b++)
            {
                var activations = (float*)product.ActivationRow(b);
                Dot(product, row, activations, sums);
                AddTail(product, row, activations, sums);
                for (var i = 0; i < rows; i++)
                    product.ResultRow(b)[row + i] = sums[i];
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Dot(in ProductArguments product, int row, float* activations, float* sums)
    {
        // Past the end the last row is repeated; Run does not store its sums.
        var last = product.RowCount - 1;
        var row0 = product.WeightRow(row);
        var row1 = product.WeightRow(Math.Min(row + 1, last));
        var row2 = product.WeightRow(Math.Min(row + 2, last));
        var row3 = product.WeightRow(Math.Min(row + 3, last));
        var (a, b, c, d) = (TLanes.Fill(0), TLanes.Fill(0), TLanes.Fill(0), TLanes.Fill(0));
        var step = TLanes.Count * TCodec.ElementBytes;
        var columns = product.Columns - product.Columns % TLanes.Count;
        var ahead = RowsAtOnce * (nint)product.RowBytes;
        for (var column = 0; column < columns; column += TLanes.Count)
        {
            if (Sse.IsSupported && column * TCodec.ElementBytes % CacheLineBytes == 0)
            {
                Sse.Prefetch0(row0 + ahead);
                Sse.Prefetch0(row1 + ahead);
                Sse.Prefetch0(row2 + ahead);
                Sse.Prefetch0(row3 + ahead);
            }

            var x = *(TVector*)(activations + column);
            a = TLanes.MultiplyAdd(TCodec.Load<TLanes, TVector>(row0), x, a);
            b = TLanes.MultiplyAdd(TCodec.Load<TLanes, TVector>(row1), x, b);
            c = TLanes.MultiplyAdd(TCodec.Load<TLanes, TVector>(row2), x, c);
            d = TLanes.MultiplyAdd(TCodec.Load<TLanes, TVector>(row3), x, d);
            row0 = row0 + step;
            row1 = row1 + step;
            row2 = row2 + step;
            row3 = row3 + step;
        }

        (sums[0], sums[1], sums[2], sums[3]) = (TLanes.SumFloats(a), TLanes.SumFloats(b), TLanes.SumFloats(c), TLanes.SumFloats(d));
    }

    private static void AddTail(in ProductArguments product, int row, float* activations, float* sums)
    {
        var first = product.Columns - product.Columns % TLanes.Count;
        for (var i = 0; i < Math.Min(RowsAtOnce, product.RowCount - row); i++)
        {
            var weights = product.WeightRow(row + i);
            for (var column = first; column < product.Columns; column++)
                sums[i] += TCodec.Read(weights + (long)column * TCodec.ElementBytes) * activations[column];
        }
    }
}
