using System.Runtime.CompilerServices;
using Kvasir.Kernels.Matrix.Codecs;

namespace Kvasir.Kernels.Matrix.Tiles;

/// <summary>Blocks of 256 with a scale per group: the integer scale is the factor that widens 16-bit sums to 32 bits, so it costs nothing.</summary>
internal readonly unsafe struct GroupPanels<TLanes, TVector, TCodec> : IPanelKernel<TVector>
    where TLanes : struct, IWordLanes<TVector>
    where TVector : unmanaged
    where TCodec : struct, IBlock256Codec
{
    private const int Block = Q8Block256Row.BlockElements;

    public static int BatchRows => 4;

    public static int WeightBytes(int columns) => columns / Block * TCodec.BlockBytes;

    private static int GroupVectors => TCodec.GroupElements / 4;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Unpack(TileRows rows, int columns, Panel<TVector> panel) =>
        TCodec.Unpack<TLanes, TVector>(rows, 0, panel);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Multiply(Panel<TVector> panel, PanelPart part, byte* activations, TVector* sums)
    {
        var x = (int*)(activations + part.FirstColumn);
        var dot = TLanes.Fill(0);
        for (nint i = 0; i < Block / 4; i += TCodec.VectorsPerSum)
        {
            var products = ByteDots<TLanes, TVector>.Sum(panel.Codes + i, x + i, TCodec.VectorsPerSum);
            dot = TLanes.Add32(dot, TLanes.Dot16(products, panel.Scales[(nuint)i / (nuint)GroupVectors]));
        }

        var dots = dot;
        AddScaled(panel, part, activations, &dots, sums);
    }

    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void MultiplyBatch(Panel<TVector> panel, PanelPart part, byte* activations, int activationBytes, TVector* sums)
    {
        var x0 = (int*)(activations + part.FirstColumn);
        var x1 = (int*)(activations + activationBytes + part.FirstColumn);
        var x2 = (int*)(activations + 2 * activationBytes + part.FirstColumn);
        var x3 = (int*)(activations + 3 * activationBytes + part.FirstColumn);
        var codes = panel.Codes;
        var (dot0, dot1, dot2, dot3) = (TLanes.Fill(0), TLanes.Fill(0), TLanes.Fill(0), TLanes.Fill(0));
        for (nint i = 0; i < Block / 4; i += TCodec.VectorsPerSum)
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

            var scale = panel.Scales[(nuint)i / (nuint)GroupVectors];
            dot0 = TLanes.Add32(dot0, TLanes.Dot16(a, scale));
            dot1 = TLanes.Add32(dot1, TLanes.Dot16(b, scale));
            dot2 = TLanes.Add32(dot2, TLanes.Dot16(c, scale));
            dot3 = TLanes.Add32(dot3, TLanes.Dot16(d, scale));
        }

        // Copies, so that only they have an address and the sums of the loop stay in registers.
        var dots = stackalloc TVector[4];
        (dots[0], dots[1], dots[2], dots[3]) = (dot0, dot1, dot2, dot3);
        AddScaled(panel, part, activations, dots, sums);
        AddScaled(panel, part, activations + activationBytes, dots + 1, sums + 1);
        AddScaled(panel, part, activations + 2 * activationBytes, dots + 2, sums + 2);
        AddScaled(panel, part, activations + 3 * activationBytes, dots + 3, sums + 3);
    }

    /// <summary>A method of its own: inlined, it takes the compiler beyond what it is willing to inline in one method.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void AddScaled(Panel<TVector> panel, PanelPart part, byte* activations, TVector* dots, TVector* sums)
    {
        var row = new Q8Block256Row(activations, part.RowColumns);
        var block = part.FirstColumn / Block;
        var pairs = Block / TCodec.GroupElements / 2;
        var sumPairs = (int*)(TCodec.GroupElements == 32 ? row.Sums32 : row.Sums16) + block * pairs;
        var minimum = TLanes.Fill(0);
        for (var i = 0; i < pairs; i++)
            minimum = TLanes.Add32(minimum, TLanes.Dot16(panel.Minimums[i], TLanes.Fill(sumPairs[i])));

        var dot = dots[0];
        var scale = TLanes.FillFloat(row.Scales[block]);
        if (TCodec.OffsetShift != 0)
            dot = TLanes.Subtract32(dot, TLanes.ShiftLeft(minimum, TCodec.OffsetShift));
        var sum = TLanes.MultiplyAdd(TLanes.ToFloat(dot), TLanes.Multiply(panel.Scale[0], scale), sums[0]);
        sums[0] = TCodec.OffsetShift != 0
            ? sum
            : TLanes.MultiplySubtract(TLanes.ToFloat(minimum), TLanes.Multiply(panel.Minimum[0], scale), sum);
    }
}
