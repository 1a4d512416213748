using System.Runtime.CompilerServices;

namespace Kvasir.Kernels.Matrix.Tiles;

/// <summary>Half precision to single in every lane: .NET has no class for the instruction that does it.</summary>
internal static class LaneHalves<TLanes, TVector>
    where TLanes : struct, IWordLanes<TVector>
    where TVector : unmanaged
{
    private const int Rebias = (127 - 15) << 23;
    private const int SmallestNormal = (127 - 14) << 23;

    /// <summary>Exact for every half; takes the low 16 bits of a lane, the others being zero.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector ToFloat(TVector halves)
    {
        var magnitude = TLanes.And(halves, TLanes.Fill(0x7FFF));
        var bits = TLanes.ShiftLeft(magnitude, 13);
        var isInfiniteOrNaN = TLanes.IsGreater32(magnitude, TLanes.Fill(0x7BFF));
        var normal = TLanes.Add32(bits, TLanes.Add32(TLanes.Fill(Rebias), TLanes.And(isInfiniteOrNaN, TLanes.Fill(Rebias))));

        // A subnormal's bits, put under the exponent of the smallest normal, are too large by exactly that number.
        var smallest = TLanes.Fill(SmallestNormal);
        var subnormal = TLanes.Subtract(TLanes.Add32(bits, smallest), smallest);
        var isNormal = TLanes.IsGreater32(magnitude, TLanes.Fill(0x03FF));
        var isSubnormal = TLanes.IsGreater32(TLanes.Fill(0x0400), magnitude);
        var value = TLanes.Or(TLanes.And(isNormal, normal), TLanes.And(isSubnormal, subnormal));
        return TLanes.Or(value, TLanes.ShiftLeft(TLanes.And(halves, TLanes.Fill(0x8000)), 16));
    }
}
