using System.Runtime.CompilerServices;
using Kvasir.Kernels.Matrix.Codecs;

namespace Kvasir.Kernels.Matrix.Tiles;

/// <summary>
/// Q8_0: two products of signed bytes do not fit into 16 bits without care for signs, and that care costs what widening both sides to 16
/// bits does. Widened, -128 needs no thought.
/// </summary>
internal readonly unsafe struct WordPanels<TLanes, TVector> : IPanelKernel<TVector>
    where TLanes : struct, IWordLanes<TVector>
    where TVector : unmanaged
{
    private const int Block = Q8Block32Row.BlockElements;
    private const int BlockVectors = Block / 2;
    private const int LowBytesOnTop = 0x01800080;
    private const int HighBytesOnTop = 0x03800280;

    public static int BatchRows => 4;

    public static int WeightBytes(int columns) => columns / Block * Q8_0Codec.BlockBytes;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Unpack(TileRows rows, int columns, Panel<TVector> panel)
    {
        var blocks = columns / Block;
        BlockScales<TLanes, TVector>.Gather(rows, 0, Q8_0Codec.BlockBytes, blocks, panel.Scales);
        for (var block = 0; block < blocks; block++)
        {
            var codes = panel.Codes + block * BlockVectors;
            var source = block * Q8_0Codec.BlockBytes + HalfFloat.Bytes;
            for (var half = 0; half < 2; half++, source += 16, codes += BlockVectors / 2)
            {
                TLanes.LoadWords(rows, source, out var word0, out var word1, out var word2, out var word3);
                Widen(word0, codes);
                Widen(word1, codes + 2);
                Widen(word2, codes + 4);
                Widen(word3, codes + 6);
            }
        }

        BlockScales<TLanes, TVector>.Widen(panel.Scales, blocks);
    }

    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Multiply(Panel<TVector> panel, PanelPart part, byte* activations, TVector* sums)
    {
        var widened = stackalloc short[Panel<TVector>.Columns];
        var row = new Q8Block32Row(activations, part.RowColumns);
        var x = Widen(row, part, widened);
        var first = part.FirstColumn / Block;
        var sum = sums[0];
        for (var block = 0; block < part.Columns / Block; block++, x += BlockVectors)
        {
            var codes = panel.Codes + block * BlockVectors;
            var (even, odd) = (TLanes.Fill(0), TLanes.Fill(0));
            for (var i = 0; i < BlockVectors; i += 2)
            {
                even = TLanes.Add32(even, TLanes.Dot16(codes[i], TLanes.Fill(x[i])));
                odd = TLanes.Add32(odd, TLanes.Dot16(codes[i + 1], TLanes.Fill(x[i + 1])));
            }

            sum = Scaled(panel, block, row, first, TLanes.Add32(even, odd), sum);
        }

        sums[0] = sum;
    }

    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void MultiplyBatch(Panel<TVector> panel, PanelPart part, byte* activations, int activationBytes, TVector* sums)
    {
        var widened = stackalloc short[4 * Panel<TVector>.Columns];
        var row0 = new Q8Block32Row(activations, part.RowColumns);
        var row1 = new Q8Block32Row(activations + activationBytes, part.RowColumns);
        var row2 = new Q8Block32Row(activations + 2 * activationBytes, part.RowColumns);
        var row3 = new Q8Block32Row(activations + 3 * activationBytes, part.RowColumns);
        var x0 = Widen(row0, part, widened);
        var x1 = Widen(row1, part, widened + Panel<TVector>.Columns);
        var x2 = Widen(row2, part, widened + 2 * Panel<TVector>.Columns);
        var x3 = Widen(row3, part, widened + 3 * Panel<TVector>.Columns);
        var first = part.FirstColumn / Block;
        var (sum0, sum1, sum2, sum3) = (sums[0], sums[1], sums[2], sums[3]);
        for (var block = 0; block < part.Columns / Block; block++)
        {
            var codes = panel.Codes + block * BlockVectors;
            var (dot0, dot1, dot2, dot3) = (TLanes.Fill(0), TLanes.Fill(0), TLanes.Fill(0), TLanes.Fill(0));
            for (var i = 0; i < BlockVectors; i++)
            {
                var w = codes[i];
                dot0 = TLanes.Add32(dot0, TLanes.Dot16(w, TLanes.Fill(x0[i])));
                dot1 = TLanes.Add32(dot1, TLanes.Dot16(w, TLanes.Fill(x1[i])));
                dot2 = TLanes.Add32(dot2, TLanes.Dot16(w, TLanes.Fill(x2[i])));
                dot3 = TLanes.Add32(dot3, TLanes.Dot16(w, TLanes.Fill(x3[i])));
            }

            sum0 = Scaled(panel, block, row0, first, dot0, sum0);
            sum1 = Scaled(panel, block, row1, first, dot1, sum1);
            sum2 = Scaled(panel, block, row2, first, dot2, sum2);
            sum3 = Scaled(panel, block, row3, first, dot3, sum3);
            x0 = x0 + BlockVectors;
            x1 = x1 + BlockVectors;
            x2 = x2 + BlockVectors;
            x3 = x3 + BlockVectors;
        }

        (sums[0], sums[1], sums[2], sums[3]) = (sum0, sum1, sum2, sum3);
    }

    /// <summary>Bytes 0 and 1 of every lane as 16 bits each, then bytes 2 and 3.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Widen(TVector word, TVector* codes)
    {
        codes[0] = TLanes.ShiftRight16(TLanes.PickBytes(word, LowBytesOnTop), 8);
        codes[1] = TLanes.ShiftRight16(TLanes.PickBytes(word, HighBytesOnTop), 8);
    }

    /// <summary>Pairs of activations as 16 bits each.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int* Widen(Q8Block32Row row, PanelPart part, short* destination)
    {
        for (var i = 0; i < part.Columns; i += sizeof(TVector) / sizeof(short))
            *(TVector*)(destination + i) = TLanes.LoadBytesAs16(row.Codes + part.FirstColumn + i);
        return (int*)destination;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Scaled(Panel<TVector> panel, int block, Q8Block32Row row, int firstBlock, TVector dot, TVector sum)
    {
        var scale = TLanes.Multiply(panel.Scales[block], TLanes.FillFloat(row.Scales[firstBlock + block]));
        return TLanes.MultiplyAdd(TLanes.ToFloat(dot), scale, sum);
    }
}
