using Kvasir.Kernels.Matrix;
using Kvasir.Kernels.Memory;

namespace Kvasir.Files;

/// <summary>A tensor of a GGUF file.</summary>
/// <param name="Name">As the file spells it, such as <c>blk.0.attn_q.weight</c>.</param>
/// <param name="Type">How its elements are stored.</param>
/// <param name="Shape">In GGUF's order, fastest dimension first: a matrix is [columns, rows].</param>
/// <param name="View">Its bytes in the mapped file; valid while the <see cref="Gguf"/> is open.</param>
/// <param name="File">The file or, of a split model, the part that holds it.</param>
public sealed record GgufTensor(string Name, WeightType Type, long[] Shape, NativeView View, string File);
