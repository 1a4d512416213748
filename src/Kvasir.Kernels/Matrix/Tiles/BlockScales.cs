using System.Runtime.CompilerServices;

namespace Kvasir.Kernels.Matrix.Tiles;

/// <summary>
/// The half-precision numbers of a tile's blocks. They are collected by scalar loads and stores, for which the ports that multiply are
/// not needed, and widened once all of a panel's are stored: a vector load right behind would wait for its sixteen stores.
/// </summary>
internal static unsafe class BlockScales<TLanes, TVector>
    where TLanes : struct, IWordLanes<TVector>
    where TVector : unmanaged
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Gather(TileRows rows, int offset, int blockBytes, int blocks, TVector* destination)
    {
        var step = sizeof(TVector) / sizeof(ushort);
        for (var lane = 0; lane < TLanes.Count; lane++)
        {
            var source = rows.Row(lane) + offset;
            var target = (ushort*)destination + lane;
            var block = 0;
            for (; block + 4 <= blocks; block += 4, source += 4 * blockBytes, target += 4 * step)
            {
                target[0] = Unsafe.ReadUnaligned<ushort>(source);
                target[step] = Unsafe.ReadUnaligned<ushort>(source + blockBytes);
                target[2 * step] = Unsafe.ReadUnaligned<ushort>(source + 2 * blockBytes);
                target[3 * step] = Unsafe.ReadUnaligned<ushort>(source + 3 * blockBytes);
            }

            for (; block < blocks; block++, source += blockBytes, target += step)
                target[0] = Unsafe.ReadUnaligned<ushort>(source);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Widen(TVector* halves, int blocks)
    {
        for (var block = 0; block < blocks; block++)
            halves[block] = LaneHalves<TLanes, TVector>.ToFloat(TLanes.LoadHalves((ushort*)(halves + block)));
    }
}
