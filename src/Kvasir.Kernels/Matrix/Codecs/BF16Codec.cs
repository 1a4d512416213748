using System.Runtime.CompilerServices;
using Kvasir.Kernels.Matrix.Tiles;

namespace Kvasir.Kernels.Matrix.Codecs;

/// <summary>The upper half of an IEEE single.</summary>
internal readonly unsafe struct BF16Codec : IFloatCodec
{
    public static int ElementBytes => sizeof(ushort);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Read(byte* element) => BitConverter.UInt32BitsToSingle((uint)Unsafe.ReadUnaligned<ushort>(element) << 16);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Load<TLanes, TVector>(byte* elements)
        where TLanes : struct, IWordLanes<TVector>
        where TVector : unmanaged => TLanes.ShiftLeft(TLanes.LoadHalves((ushort*)elements), 16);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Unpack<TLanes, TVector>(TVector word, TVector* elements)
        where TLanes : struct, IWordLanes<TVector>
        where TVector : unmanaged
    {
        elements[0] = TLanes.ShiftLeft(word, 16);
        elements[1] = TLanes.And(word, TLanes.Fill(unchecked((int)0xFFFF0000)));
    }
}
