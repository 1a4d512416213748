using Kvasir.Kernels.Matrix;
using Kvasir.Kernels.Memory;

namespace Kvasir.Files;

/// <summary>A tensor of a safetensors file.</summary>
/// <param name="Name">As the file spells it, such as <c>model.layers.0.self_attn.q_proj.weight</c>.</param>
/// <param name="Type">F32, F16 or BF16.</param>
/// <param name="Shape">Slowest dimension first: a matrix is [rows, columns].</param>
/// <param name="View">Its bytes in the mapped file; valid while the <see cref="Safetensors"/> is open.</param>
/// <param name="File">The file or shard that holds it.</param>
public sealed record SafetensorsTensor(string Name, WeightType Type, long[] Shape, NativeView View, string File);
