using Kvasir.Kernels.Matrix;

namespace Kvasir.Cli.Inspect;

/// <summary>A tensor of either format.</summary>
/// <param name="Shape">Slowest dimension first: a matrix is [rows, columns].</param>
internal sealed record TensorLine(string Name, WeightType Type, long[] Shape, long Bytes);
