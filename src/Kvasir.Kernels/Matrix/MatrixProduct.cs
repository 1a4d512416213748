using System.Runtime.Intrinsics;
using Kvasir.Kernels.Matrix.Amx;
using Kvasir.Kernels.Matrix.Packed;
using Kvasir.Kernels.Matrix.Tiles;

namespace Kvasir.Kernels.Matrix;

/// <summary>Products of stored weights with prepared activations. Reads the weights once per call where the batch is small.</summary>
public static unsafe class MatrixProduct
{
    internal static readonly Variant<ProductKernel>[] Variants =
        [
            new("scalar", true, ScalarProduct.Run),
            new("256", WordLanes256.IsSupported, WideProduct<WordLanes256, Vector256<int>>.Run),
            new("512", WordLanes512.IsSupported, WideProduct<WordLanes512, Vector512<int>>.Run),
        ];

    private static readonly ProductKernel Fastest = Array.FindLast(Variants, variant => variant.IsSupported).Run;

    /// <summary>
    /// <c>results[b * resultStride + r] = sum over c of weights[r, c] * x[b, c]</c> for r in [firstRow, firstRow + rowCount) and
    /// b in [0, batch). Other results are left alone, so threads may share them with disjoint rows. Allocates nothing.
    /// </summary>
    /// <remarks>
    /// <paramref name="prepared"/> is [batch, <see cref="Activations.RowBytes"/>] of the kind that the weights want; rows of a packed matrix are whole panels;
    /// <paramref name="results"/> is [batch, resultStride], where the last row may end after the last row of weights asked for;
    /// <paramref name="resultStride"/> is at least firstRow + rowCount.
    /// </remarks>
    /// <exception cref="ArgumentOutOfRangeException">Rows lie outside the matrix, or a span is too short.</exception>
    public static void Multiply(
        in WeightMatrix weights, int firstRow, int rowCount, ReadOnlySpan<byte> prepared, int batch, Span<float> results, int resultStride) =>
        Multiply(Activations.KindOf(weights, batch), weights, firstRow, rowCount, prepared, batch, results, resultStride);

    /// <summary>The form of the activations says which kernels multiply.</summary>
    internal static void Multiply(
        ActivationKind kind, in WeightMatrix weights, int firstRow, int rowCount, ReadOnlySpan<byte> prepared, int batch, Span<float> results, int resultStride)
    {
        var isBf16 = kind is ActivationKind.BF16Tiles or ActivationKind.BF16PairTiles;
        if (!weights.IsPacked && !isBf16)
        {
            Run(Fastest, weights, firstRow, rowCount, prepared, batch, results, resultStride);
            return;
        }

        Check(kind, weights, firstRow, rowCount, prepared, batch, results, resultStride);
        if (weights.IsPacked && (firstRow % PackedWeights.PanelRows != 0 || (rowCount % PackedWeights.PanelRows != 0 && firstRow + rowCount != weights.Rows)))
            throw new ArgumentOutOfRangeException(nameof(firstRow), $"rows [{firstRow}, {firstRow} + {rowCount}) of a packed matrix are not whole panels");
        if (batch == 0 || rowCount == 0)
            return;
        fixed (byte* activations = prepared)
        fixed (float* result = results)
        {
            if (isBf16)
                AmxProduct.Run(weights, (firstRow, rowCount), activations, batch, result + firstRow, resultStride);
            else
                PackedProduct.Run(weights, firstRow, rowCount, activations, batch, result + firstRow, resultStride);
        }
    }

    internal static void Run(
        ProductKernel kernel, in WeightMatrix weights, int firstRow, int rowCount,
        ReadOnlySpan<byte> prepared, int batch, Span<float> results, int resultStride)
    {
        var activationBytes = Check(Activations.KindOf(weights.Type), weights, firstRow, rowCount, prepared, batch, results, resultStride);
        if (batch == 0 || rowCount == 0)
            return;
        fixed (byte* activations = prepared)
        fixed (float* result = results)
        {
            var start = weights.Data.Start + firstRow * weights.RowBytes;
            kernel(new ProductArguments(weights.Type, start, (int)weights.RowBytes, result + firstRow, resultStride)
            {
                RowCount = rowCount,
                Columns = weights.Columns,
                Activations = activations,
                ActivationBytes = activationBytes,
                Batch = batch,
            });
        }
    }

    /// <summary>Returns the bytes of a row of activations.</summary>
    private static int Check(
        ActivationKind kind, in WeightMatrix weights, int firstRow, int rowCount,
        ReadOnlySpan<byte> prepared, int batch, ReadOnlySpan<float> results, int resultStride)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(batch);
        ArgumentOutOfRangeException.ThrowIfNegative(rowCount);
        ArgumentOutOfRangeException.ThrowIfNegative(firstRow);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(firstRow, weights.Rows - rowCount);
        var activationBytes = Activations.RowBytes(kind, weights.Columns);
        if (batch == 0 || rowCount == 0)
            return activationBytes;
        ArgumentOutOfRangeException.ThrowIfLessThan(prepared.Length, (long)batch * activationBytes, nameof(prepared));
        ArgumentOutOfRangeException.ThrowIfLessThan(resultStride, firstRow + rowCount);
        ArgumentOutOfRangeException.ThrowIfLessThan(results.Length, (batch - 1L) * resultStride + firstRow + rowCount, nameof(results));
        return activationBytes;
    }
}
