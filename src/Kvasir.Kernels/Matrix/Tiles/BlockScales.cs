using System.Runtime.CompilerServices;

namespace Kvasir.Kernels.Matrix.Tiles;

/// <summary>
/// The half-precision numbers of a tile's blocks. They are collected by scalar loads and stores, for which the ports that multiply are
/// not needed, and widened once all of a panel's are stored: a vector load right behind would wait for its sixteen stores.
/// </summary>
internal static unsafe class BlockScales<TLanes, TVector>
    where TLanes : struct, ILanes<TVector>
    where TVector : unmanaged
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Gather(TileRows rows, int offset, int blockBytes, int blocks, TVector* destination)
    {
        for (var lane = 0; lane < TLanes.Count; lane++)
        {
            var source = rows.Row(lane) + offset;
            for (var block = 0; block < blocks; block++, source += blockBytes)
                ((ushort*)(destination + block))[lane] = Unsafe.ReadUnaligned<ushort>(source);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Widen(TVector* halves, int blocks)
    {
        for (var block = 0; block < blocks; block++)
            halves[block] = LaneHalves<TLanes, TVector>.ToFloat(TLanes.LoadHalves((ushort*)(halves + block)));
    }
}
