using System.Runtime.CompilerServices;
using Kvasir.Kernels.Matrix.Codecs;

namespace Kvasir.Kernels.Matrix.Tiles;

/// <summary>Blocks of 256 with a scale per group: the integer scale is the factor that widens 16-bit sums to 32 bits, so it costs nothing.</summary>
internal readonly unsafe struct GroupPanels<TLanes, TVector, TCodec> : IPanelKernel<TVector>
    where TLanes : struct, ILanes<TVector>
    where TVector : unmanaged
    where TCodec : struct, IBlock256Codec
{
    private const int Block = Q8Block256Row.BlockElements;

    public static int BatchRows => 4;

    public static int PanelBytes => TCodec.BlockBytes;

    private static int GroupVectors => TCodec.GroupElements / 4;

    private static int GroupPairs => Block / TCodec.GroupElements / 2;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Unpack(byte** rows, PanelPart part, Panel<TVector> panel) =>
        TCodec.Unpack<TLanes, TVector>(rows, part.FirstColumn / Block * TCodec.BlockBytes, panel);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Multiply(Panel<TVector> panel, PanelPart part, byte* activations, TVector* sums)
    {
        var row = new Q8Block256Row(activations, part.RowColumns);
        var x = (int*)(row.Codes + part.FirstColumn);
        var dot = TLanes.Fill(0);
        for (var i = 0; i < Block / 4; i += TCodec.VectorsPerSum)
        {
            var part16 = TLanes.DotBytes(panel.Codes[i], TLanes.Fill(x[i]));
            for (var j = i + 1; j < i + TCodec.VectorsPerSum; j++)
                part16 = TLanes.Add16(part16, TLanes.DotBytes(panel.Codes[j], TLanes.Fill(x[j])));
            dot = TLanes.Add32(dot, TLanes.Dot16(part16, panel.Scales[i / GroupVectors]));
        }

        sums[0] = Scaled(panel, row, part.FirstColumn / Block, dot, sums[0]);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void MultiplyBatch(Panel<TVector> panel, PanelPart part, byte* activations, int activationBytes, TVector* sums)
    {
        var row0 = new Q8Block256Row(activations, part.RowColumns);
        var row1 = new Q8Block256Row(activations + activationBytes, part.RowColumns);
        var row2 = new Q8Block256Row(activations + 2 * activationBytes, part.RowColumns);
        var row3 = new Q8Block256Row(activations + 3 * activationBytes, part.RowColumns);
        var x0 = (int*)(row0.Codes + part.FirstColumn);
        var x1 = (int*)(row1.Codes + part.FirstColumn);
        var x2 = (int*)(row2.Codes + part.FirstColumn);
        var x3 = (int*)(row3.Codes + part.FirstColumn);
        var (dot0, dot1, dot2, dot3) = (TLanes.Fill(0), TLanes.Fill(0), TLanes.Fill(0), TLanes.Fill(0));
        for (var i = 0; i < Block / 4; i += TCodec.VectorsPerSum)
        {
            var w = panel.Codes[i];
            var (a, b) = (TLanes.DotBytes(w, TLanes.Fill(x0[i])), TLanes.DotBytes(w, TLanes.Fill(x1[i])));
            var (c, d) = (TLanes.DotBytes(w, TLanes.Fill(x2[i])), TLanes.DotBytes(w, TLanes.Fill(x3[i])));
            for (var j = i + 1; j < i + TCodec.VectorsPerSum; j++)
            {
                w = panel.Codes[j];
                a = TLanes.Add16(a, TLanes.DotBytes(w, TLanes.Fill(x0[j])));
                b = TLanes.Add16(b, TLanes.DotBytes(w, TLanes.Fill(x1[j])));
                c = TLanes.Add16(c, TLanes.DotBytes(w, TLanes.Fill(x2[j])));
                d = TLanes.Add16(d, TLanes.DotBytes(w, TLanes.Fill(x3[j])));
            }

            var scale = panel.Scales[i / GroupVectors];
            dot0 = TLanes.Add32(dot0, TLanes.Dot16(a, scale));
            dot1 = TLanes.Add32(dot1, TLanes.Dot16(b, scale));
            dot2 = TLanes.Add32(dot2, TLanes.Dot16(c, scale));
            dot3 = TLanes.Add32(dot3, TLanes.Dot16(d, scale));
        }

        var block = part.FirstColumn / Block;
        sums[0] = Scaled(panel, row0, block, dot0, sums[0]);
        sums[1] = Scaled(panel, row1, block, dot1, sums[1]);
        sums[2] = Scaled(panel, row2, block, dot2, sums[2]);
        sums[3] = Scaled(panel, row3, block, dot3, sums[3]);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Scaled(Panel<TVector> panel, Q8Block256Row row, int block, TVector dot, TVector sum)
    {
        var sumPairs = (int*)(TCodec.GroupElements == 32 ? row.Sums32 : row.Sums16) + block * GroupPairs;
        var minimum = TLanes.Fill(0);
        for (var i = 0; i < GroupPairs; i++)
            minimum = TLanes.Add32(minimum, TLanes.Dot16(panel.Minimums[i], TLanes.Fill(sumPairs[i])));

        var scale = TLanes.FillFloat(row.Scales[block]);
        if (TCodec.OffsetShift != 0)
            dot = TLanes.Subtract32(dot, TLanes.ShiftLeft(minimum, TCodec.OffsetShift));
        sum = TLanes.MultiplyAdd(TLanes.ToFloat(dot), TLanes.Multiply(panel.Scale[0], scale), sum);
        return TCodec.OffsetShift != 0
            ? sum
            : TLanes.MultiplySubtract(TLanes.ToFloat(minimum), TLanes.Multiply(panel.Minimum[0], scale), sum);
    }
}
