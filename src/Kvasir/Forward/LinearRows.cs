using Kvasir.Kernels.Memory;

namespace Kvasir.Forward;

/// <summary>The input of a group of matrix products.</summary>
/// <param name="Values">[count, columns] of float.</param>
/// <param name="Norm">[columns]: the weights of an RMS norm that comes first, or none.</param>
internal readonly record struct LinearRows(NativeView Values, int Count, int Columns, float[]? Norm);
