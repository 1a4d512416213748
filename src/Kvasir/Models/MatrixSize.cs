using Kvasir.Kernels.Matrix;
using Kvasir.Kernels.Matrix.Packed;

namespace Kvasir.Models;

/// <summary>A matrix of weights, whether or not it is there: what it takes, and in which form products read it.</summary>
/// <param name="Type">How it is stored.</param>
/// <param name="Rows">Outputs.</param>
/// <param name="Columns">Inputs.</param>
public readonly record struct MatrixSize(WeightType Type, int Rows, int Columns)
{
    /// <summary>As its file has it.</summary>
    public long StoredBytes => Rows * WeightLayout.RowBytes(Type, Columns);

    /// <summary>Whether it is copied into another order at load, where that is allowed.</summary>
    internal bool IsPacked => PackedWeights.Pays(Type);

    /// <summary>What products read.</summary>
    internal long ReadBytes => IsPacked ? PackedWeights.Bytes(Type, Rows, Columns) : StoredBytes;

    internal static MatrixSize Of(in WeightMatrix matrix) => new(matrix.Type, matrix.Rows, matrix.Columns);

    /// <summary>The form of activations that products with so many rows want.</summary>
    internal ActivationKind KindAt(int rows) => Activations.KindOf(Type, IsPacked, Columns, rows);
}
