using System.Runtime.CompilerServices;
using Kvasir.Kernels.Matrix.Codecs;

namespace Kvasir.Kernels.Matrix.Tiles;

/// <summary>Blocks of 32 small unsigned codes, multiplied as bytes and summed in 16 bits as long as they fit.</summary>
internal readonly unsafe struct BytePanels<TLanes, TVector, TCodec> : IPanelKernel<TVector>
    where TLanes : struct, IWordLanes<TVector>
    where TVector : unmanaged
    where TCodec : struct, IBlock32Codec
{
    private const int Block = Q8Block32Row.BlockElements;
    private const int BlockVectors = Block / 4;
    private const int Ones16 = 0x00010001;

    public static int BatchRows => 4;

    public static int WeightBytes(int columns) => columns / Block * TCodec.BlockBytes;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Unpack(TileRows rows, int columns, Panel<TVector> panel)
    {
        var blocks = columns / Block;
        BlockScales<TLanes, TVector>.Gather(rows, 0, TCodec.BlockBytes, blocks, panel.Scales);
        if (TCodec.HasMinimum)
            BlockScales<TLanes, TVector>.Gather(rows, HalfFloat.Bytes, TCodec.BlockBytes, blocks, panel.Minimums);
        for (var block = 0; block < blocks; block++)
            TCodec.Unpack<TLanes, TVector>(rows, block * TCodec.BlockBytes, panel.Codes + block * BlockVectors);
        BlockScales<TLanes, TVector>.Widen(panel.Scales, blocks);
        if (TCodec.HasMinimum)
            BlockScales<TLanes, TVector>.Widen(panel.Minimums, blocks);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Multiply(Panel<TVector> panel, PanelPart part, byte* activations, TVector* sums)
    {
        var row = new Q8Block32Row(activations, part.RowColumns);
        var first = part.FirstColumn / Block;
        var sum = sums[0];
        for (var block = 0; block < part.Columns / Block; block++)
        {
            var codes = panel.Codes + block * BlockVectors;
            var x = (int*)(row.Codes + part.FirstColumn + block * Block);
            var dot = Offset(row, first + block);
            for (nint i = 0; i < BlockVectors; i += TCodec.VectorsPerSum)
            {
                var products = ByteDots<TLanes, TVector>.Sum(codes + i, x + i, TCodec.VectorsPerSum);
                dot = TLanes.Add32(dot, TLanes.Dot16(products, TLanes.Fill(Ones16)));
            }

            sum = Scaled(panel, block, row, first, dot, sum);
        }

        sums[0] = sum;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void MultiplyBatch(Panel<TVector> panel, PanelPart part, byte* activations, int activationBytes, TVector* sums)
    {
        var row0 = new Q8Block32Row(activations, part.RowColumns);
        var row1 = new Q8Block32Row(activations + activationBytes, part.RowColumns);
        var row2 = new Q8Block32Row(activations + 2 * activationBytes, part.RowColumns);
        var row3 = new Q8Block32Row(activations + 3 * activationBytes, part.RowColumns);
        var first = part.FirstColumn / Block;
        var (sum0, sum1, sum2, sum3) = (sums[0], sums[1], sums[2], sums[3]);
        for (var block = 0; block < part.Columns / Block; block++)
        {
            var codes = panel.Codes + block * BlockVectors;
            var column = part.FirstColumn + block * Block;
            var x0 = (int*)(row0.Codes + column);
            var x1 = (int*)(row1.Codes + column);
            var x2 = (int*)(row2.Codes + column);
            var x3 = (int*)(row3.Codes + column);
            var dot0 = Offset(row0, first + block);
            var dot1 = Offset(row1, first + block);
            var dot2 = Offset(row2, first + block);
            var dot3 = Offset(row3, first + block);
            for (nint i = 0; i < BlockVectors; i += TCodec.VectorsPerSum)
            {
                var w = codes[i];
                var (a, b) = (TLanes.DotBytes(w, TLanes.Fill(x0[i])), TLanes.DotBytes(w, TLanes.Fill(x1[i])));
                var (c, d) = (TLanes.DotBytes(w, TLanes.Fill(x2[i])), TLanes.DotBytes(w, TLanes.Fill(x3[i])));
                w = codes[i + 1];
                a = TLanes.Add16(a, TLanes.DotBytes(w, TLanes.Fill(x0[i + 1])));
                b = TLanes.Add16(b, TLanes.DotBytes(w, TLanes.Fill(x1[i + 1])));
                c = TLanes.Add16(c, TLanes.DotBytes(w, TLanes.Fill(x2[i + 1])));
                d = TLanes.Add16(d, TLanes.DotBytes(w, TLanes.Fill(x3[i + 1])));
                for (var j = i + 2; j < i + TCodec.VectorsPerSum; j += 2)
                {
                    w = codes[j];
                    a = TLanes.Add16(a, TLanes.DotBytes(w, TLanes.Fill(x0[j])));
                    b = TLanes.Add16(b, TLanes.DotBytes(w, TLanes.Fill(x1[j])));
                    c = TLanes.Add16(c, TLanes.DotBytes(w, TLanes.Fill(x2[j])));
                    d = TLanes.Add16(d, TLanes.DotBytes(w, TLanes.Fill(x3[j])));
                    w = codes[j + 1];
                    a = TLanes.Add16(a, TLanes.DotBytes(w, TLanes.Fill(x0[j + 1])));
                    b = TLanes.Add16(b, TLanes.DotBytes(w, TLanes.Fill(x1[j + 1])));
                    c = TLanes.Add16(c, TLanes.DotBytes(w, TLanes.Fill(x2[j + 1])));
                    d = TLanes.Add16(d, TLanes.DotBytes(w, TLanes.Fill(x3[j + 1])));
                }

                dot0 = TLanes.Add32(dot0, TLanes.Dot16(a, TLanes.Fill(Ones16)));
                dot1 = TLanes.Add32(dot1, TLanes.Dot16(b, TLanes.Fill(Ones16)));
                dot2 = TLanes.Add32(dot2, TLanes.Dot16(c, TLanes.Fill(Ones16)));
                dot3 = TLanes.Add32(dot3, TLanes.Dot16(d, TLanes.Fill(Ones16)));
            }

            sum0 = Scaled(panel, block, row0, first, dot0, sum0);
            sum1 = Scaled(panel, block, row1, first, dot1, sum1);
            sum2 = Scaled(panel, block, row2, first, dot2, sum2);
            sum3 = Scaled(panel, block, row3, first, dot3, sum3);
        }

        (sums[0], sums[1], sums[2], sums[3]) = (sum0, sum1, sum2, sum3);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Offset(Q8Block32Row row, int block) =>
        TCodec.OffsetEights == 0 ? TLanes.Fill(0) : TLanes.ShiftLeft(TLanes.Fill(row.NibbleOffsets[block]), TCodec.OffsetEights - 1);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Scaled(Panel<TVector> panel, int block, Q8Block32Row row, int firstBlock, TVector dot, TVector sum)
    {
        var scale = TLanes.Multiply(panel.Scales[block], TLanes.FillFloat(row.Scales[firstBlock + block]));
        sum = TLanes.MultiplyAdd(TLanes.ToFloat(dot), scale, sum);
        return TCodec.HasMinimum
            ? TLanes.MultiplyAdd(panel.Minimums[block], TLanes.FillFloat(row.ScaledSums[firstBlock + block]), sum)
            : sum;
    }
}
