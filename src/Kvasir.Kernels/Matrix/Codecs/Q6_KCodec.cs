using System.Runtime.CompilerServices;
using Kvasir.Kernels.Matrix.Tiles;

namespace Kvasir.Kernels.Matrix.Codecs;

/// <summary><c>low nibbles[128], high pairs[64], scales: i8[16], d: f16</c>; sixteen groups of 16, an element is <c>d * scale * (code - 32)</c>.</summary>
internal readonly unsafe struct Q6_KCodec : IBlock256Codec
{
    private const int HighPairsAt = 128;
    private const int ScalesAt = HighPairsAt + 64;
    private const int ScaleAt = ScalesAt + 16;

    public static int BlockElements => 256;

    public static int BlockBytes => ScaleAt + HalfFloat.Bytes;

    public static int GroupElements => 16;

    public static int OffsetShift => 5;

    public static int VectorsPerSum => 2;

    public static void Split(byte* block, ref BlockParts parts)
    {
        parts.Scale = HalfFloat.Read(block + ScaleAt);
        parts.Minimum = 0;
        for (var group = 0; group < BlockElements / GroupElements; group++)
        {
            parts.Scales[group] = (sbyte)block[ScalesAt + group];
            parts.Minimums[group] = 0;
        }

        // Either half of 128 elements is four runs of 32: runs 0 and 1 in the low nibbles of its 64 bytes, 2 and 3 in the high ones.
        for (var i = 0; i < BlockElements; i++)
        {
            var (half, run, column) = (i / 128, i / 32 % 4, i % 32);
            var low = (block[half * 64 + run % 2 * 32 + column] >> (run / 2 * 4)) & 15;
            var high = (block[HighPairsAt + half * 32 + column] >> (run * 2)) & 3;
            parts.Codes[i] = (sbyte)((low | (high << 4)) - 32);
        }
    }

    public static void Unpack<TLanes, TVector>(TileRows rows, int offset, Panel<TVector> panel)
        where TLanes : struct, IWordLanes<TVector>
        where TVector : unmanaged
    {
        UnpackScales<TLanes, TVector>(rows, offset, panel);
        for (var part = 0; part < 4; part++)
        {
            // Sixteen bytes of high pairs serve four runs, two of which share 16 bytes of nibbles.
            var (half, column) = (part / 2, part % 2 * 16);
            var codes = panel.Codes + half * 32 + column / 4;
            var nibbles = offset + half * 64 + column;
            TLanes.LoadWords(rows, offset + HighPairsAt + half * 32 + column, out var high0, out var high1, out var high2, out var high3);
            for (var run = 0; run < 2; run++, codes += 8)
            {
                TLanes.LoadWords(rows, nibbles + run * 32, out var word0, out var word1, out var word2, out var word3);
                Split<TLanes, TVector>(word0, high0, run * 2, codes);
                Split<TLanes, TVector>(word1, high1, run * 2, codes + 1);
                Split<TLanes, TVector>(word2, high2, run * 2, codes + 2);
                Split<TLanes, TVector>(word3, high3, run * 2, codes + 3);
            }
        }
    }

    private static void UnpackScales<TLanes, TVector>(TileRows rows, int offset, Panel<TVector> panel)
        where TLanes : struct, IWordLanes<TVector>
        where TVector : unmanaged
    {
        var words = stackalloc TVector[4];
        TLanes.LoadWords(rows, offset + ScalesAt, out words[0], out words[1], out words[2], out words[3]);
        for (var group = 0; group < BlockElements / GroupElements; group++)
            panel.Scales[group] = TLanes.ShiftRight16(TLanes.PickBytes(words[group / 4], 0x00800080 + group % 4 * 0x01000100), 8);
        for (var pair = 0; pair < BlockElements / GroupElements / 2; pair++)
            panel.Minimums[pair] = TLanes.ShiftRight16(TLanes.PickBytes(words[pair / 2], 0x01800080 + pair % 2 * 0x02000200), 8);

        // The last sixteen bytes end with the scale.
        TLanes.LoadWords(rows, offset + BlockBytes - 16, out _, out _, out _, out var last);
        panel.Scale[0] = LaneHalves<TLanes, TVector>.ToFloat(TLanes.ShiftRight(last, 16));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Split<TLanes, TVector>(TVector word, TVector highPairs, int bit, TVector* codes)
        where TLanes : struct, IWordLanes<TVector>
        where TVector : unmanaged
    {
        var (pairs, nibble) = (TLanes.Fill(0x03030303), TLanes.Fill(NibbleLanes<TLanes, TVector>.LowNibbles));
        var low = TLanes.ShiftLeft(TLanes.And(TLanes.ShiftRight(highPairs, bit), pairs), 4);
        var high = TLanes.ShiftLeft(TLanes.And(TLanes.ShiftRight(highPairs, bit + 4), pairs), 4);
        codes[0] = TLanes.Or(TLanes.And(word, nibble), low);
        codes[16] = TLanes.Or(TLanes.And(TLanes.ShiftRight(word, 4), nibble), high);
    }
}
