namespace Kvasir.Kernels.Matrix;

internal delegate void ProductKernel(in ProductArguments product);

/// <summary>
/// One checked call of <see cref="MatrixProduct"/> by address: rows start at the first wanted one, and so does every
/// result row, so kernels count from 0.
/// </summary>
internal readonly unsafe struct ProductArguments(WeightType type, byte* weights, int rowBytes, float* results, int resultStride)
{
    public WeightType Type => type;

    public int RowBytes => rowBytes;

    public int RowCount { get; init; }

    public int Columns { get; init; }

    /// <summary>[Batch, ActivationBytes]</summary>
    public byte* Activations { get; init; }

    public int ActivationBytes { get; init; }

    public int Batch { get; init; }

    public byte* WeightRow(int row) => weights + (long)row * rowBytes;

    public byte* ActivationRow(int row) => Activations + (long)row * ActivationBytes;

    public float* ResultRow(int row) => results + (long)row * resultStride;
}
