using Kvasir.Kernels.Matrix;
using Kvasir.Kernels.Memory;
using Kvasir.Models;

namespace Kvasir.Forward;

/// <summary>A matrix and where its products go.</summary>
/// <param name="Weights">[outputs, inputs]</param>
/// <param name="Bias">[outputs] or none.</param>
/// <param name="Results">[batch rows, outputs] of float.</param>
internal readonly record struct LinearTarget(WeightMatrix Weights, float[]? Bias, NativeView Results);
