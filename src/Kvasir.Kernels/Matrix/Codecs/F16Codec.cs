using System.Runtime.CompilerServices;
using Kvasir.Kernels.Matrix.Tiles;

namespace Kvasir.Kernels.Matrix.Codecs;

/// <summary>IEEE half precision, with its subnormals, infinities and NaNs.</summary>
internal readonly unsafe struct F16Codec : IFloatCodec
{
    public static int ElementBytes => HalfFloat.Bytes;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Read(byte* element) => HalfFloat.Read(element);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Load<TLanes, TVector>(byte* elements)
        where TLanes : struct, IWordLanes<TVector>
        where TVector : unmanaged => LaneHalves<TLanes, TVector>.ToFloat(TLanes.LoadHalves((ushort*)elements));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Unpack<TLanes, TVector>(TVector word, TVector* elements)
        where TLanes : struct, IWordLanes<TVector>
        where TVector : unmanaged
    {
        elements[0] = LaneHalves<TLanes, TVector>.ToFloat(TLanes.And(word, TLanes.Fill(0xFFFF)));
        elements[1] = LaneHalves<TLanes, TVector>.ToFloat(TLanes.ShiftRight(word, 16));
    }
}
