using System.Runtime.CompilerServices;
using Kvasir.Kernels.Elementwise;

namespace Kvasir.Kernels.Attention;

/// <summary>Rows as computed.</summary>
internal readonly unsafe struct F32Codec : IKvCodec
{
    public static int RowBytes(int dim) => dim * sizeof(float);

    public static void Encode(ReadOnlySpan<float> row, byte* stored) => row.CopyTo(new Span<float>(stored, row.Length));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Load<TLanes, V>(byte* row, int dim, int index)
        where TLanes : struct, ILanes<V>
        where V : struct => TLanes.Load((float*)row + index);
}
