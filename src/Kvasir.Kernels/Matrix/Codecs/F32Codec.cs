using System.Runtime.CompilerServices;
using Kvasir.Kernels.Matrix.Tiles;

namespace Kvasir.Kernels.Matrix.Codecs;

/// <summary>IEEE single precision.</summary>
internal readonly unsafe struct F32Codec : IFloatCodec
{
    public static int ElementBytes => sizeof(float);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Read(byte* element) => Unsafe.ReadUnaligned<float>(element);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Load<TLanes, TVector>(byte* elements)
        where TLanes : struct, IWordLanes<TVector>
        where TVector : unmanaged => *(TVector*)elements;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Unpack<TLanes, TVector>(TVector word, TVector* elements)
        where TLanes : struct, IWordLanes<TVector>
        where TVector : unmanaged => elements[0] = word;
}
