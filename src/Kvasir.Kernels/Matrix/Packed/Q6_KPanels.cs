using System.Runtime.CompilerServices;
using Iced.Intel;
using Kvasir.Kernels.Matrix.Codecs;
using Kvasir.Kernels.Matrix.Tiles;
using static Iced.Intel.AssemblerRegisters;

namespace Kvasir.Kernels.Matrix.Packed;

/// <summary>
/// Q6_K: sixteen groups of 16. Each half of a block of 256 columns is four runs of 32; sixteen columns of all four runs are packed together: four
/// vectors with the low four bits of runs 0 and 2, four with those of runs 1 and 3, four with the upper pairs of bits of all. Scales are the
/// half-precision number, then the group scales as pairs of bytes.
/// </summary>
internal sealed unsafe class Q6_KPanels() : PanelFormat(WeightType.Q6_K)
{
    private const int Block = Q8Block256Row.BlockElements;
    private const int Pairs = 8;
    private const int PairBytes = 2 * Rows;
    private const int PairsAt = Rows * HalfFloat.Bytes;
    private const int PartBytes = 8 * VectorBytes;
    private const int QuarterBytes = 3 * PartBytes;
    private const int HighAt = 128;
    private const int ScalesAt = HighAt + 64;
    private const int ScaleAt = ScalesAt + 16;
    private const uint LowNibbles = 0x0F0F0F0F;
    private const uint HighPairs = 0x30303030;
    private const uint MinusThirtyTwo = 0xC2000000;
    private const byte OrSelected = 0xF8;

    public override int CodeBytes => 4 * QuarterBytes;

    public override int ScaleBytes => PairsAt + Pairs * PairBytes;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Pack(TileRows rows, int offset, byte* codes, byte* scales)
    {
        PackHalves(rows, offset + ScaleAt, scales);
        for (var row = 0; row < Rows; row++)
        {
            var source = rows.Row(row) + offset + ScalesAt;
            for (var group = 0; group < 2 * Pairs; group++)
                scales[PairsAt + group / 2 * PairBytes + 2 * row + group % 2] = source[group];
        }

        for (var quarter = 0; quarter < 4; quarter++, codes += QuarterBytes)
        {
            var (half, column) = (quarter / 2, quarter % 2 * 16);
            PackWords(rows, offset + half * 64 + column, 16, codes);
            PackWords(rows, offset + half * 64 + 32 + column, 16, codes + PartBytes);
            PackWords(rows, offset + HighAt + half * 32 + column, 16, codes + 2 * PartBytes);
        }
    }

    public override void WriteConstants(PanelCode panel)
    {
        panel.Fill(PanelCode.Free(0), LowNibbles);
        panel.Fill(PanelCode.Free(1), HighPairs);
    }

    public override void WriteBlock(PanelCode panel)
    {
        var (code, rows) = (panel.Code, panel.Rows);
        var x = PanelCode.Free(2);
        var (scale0, scale1) = (PanelCode.Free(3), PanelCode.Free(4));
        var (codes0, codes1) = (PanelCode.Free(5), PanelCode.Free(6));
        for (var quarter = 0; quarter < 4; quarter++)
        {
            for (var run = 0; run < 4; run++)
            {
                var group = quarter / 2 * 8 + run * 2 + quarter % 2;
                LoadScale(code, group, 0, scale0, codes0);
                LoadScale(code, group, 1, scale1, codes0);
                panel.ClearDots();
                for (var i = 0; i < 4; i++)
                {
                    var at = quarter * QuarterBytes + i * 2 * VectorBytes;
                    LoadCodes(panel, at, run, codes0);
                    LoadCodes(panel, at + VectorBytes, run, codes1);
                    panel.AddDots((codes0, codes1), group * 16 + i * 4, Block, x);
                }

                panel.AddScaled((scale0, scale1), ActivationTile.Scales256At(rows), x, codes0);
            }
        }

        // Codes were multiplied 32 too large.
        panel.ClearDots();
        for (var pair = 0; pair < Pairs; pair++)
        {
            code.vpmovsxbw(codes0, __ymmword_ptr[PanelCode.Scales + PairsAt + pair * PairBytes]);
            code.vpmovsxbw(codes1, __ymmword_ptr[PanelCode.Scales + PairsAt + pair * PairBytes + PairBytes / 2]);
            panel.AddSumPairs((codes0, codes1), ActivationTile.Sums16At(rows) + pair * 2 * sizeof(short), Q8Block256Row.Sums16PerBlock, x);
        }

        panel.Fill(codes0, MinusThirtyTwo);
        LoadBlockScale(code, 0, scale0);
        LoadBlockScale(code, 1, scale1);
        code.vmulps(scale0, scale0, codes0);
        code.vmulps(scale1, scale1, codes0);
        panel.AddScaled((scale0, scale1), ActivationTile.Scales256At(rows), x, codes0);
    }

    private static void LoadBlockScale(Assembler code, int half, AssemblerRegisterZMM scale) =>
        code.vcvtph2ps(scale, __ymmword_ptr[PanelCode.Scales + half * PairsAt / 2]);

    /// <summary>A group's scale as a float: the low or the high word of its pair, times the block's.</summary>
    private static void LoadScale(Assembler code, int group, int half, AssemblerRegisterZMM scale, AssemblerRegisterZMM blockScale)
    {
        code.vpmovsxbw(scale, __ymmword_ptr[PanelCode.Scales + PairsAt + group / 2 * PairBytes + half * PairBytes / 2]);
        if (group % 2 == 0)
            code.vpslld(scale, scale, 16);
        code.vpsrad(scale, scale, 16);
        code.vcvtdq2ps(scale, scale);
        LoadBlockScale(code, half, blockScale);
        code.vmulps(scale, scale, blockScale);
    }

    private static void LoadCodes(PanelCode panel, int at, int run, AssemblerRegisterZMM codes)
    {
        var (code, nibbles, highPairs, high) = (panel.Code, PanelCode.Free(0), PanelCode.Free(1), PanelCode.Free(7));
        var (low, pairs) = (at + run % 2 * PartBytes, at + 2 * PartBytes);
        if (run < 2)
        {
            panel.PrefetchCodes(low);
            code.vpandd(codes, nibbles, __zmmword_ptr[PanelCode.Codes + low]);
        }
        else
        {
            code.vpsrld(codes, __zmmword_ptr[PanelCode.Codes + low], 4);
            code.vpandd(codes, codes, nibbles);
        }

        // Pair number run of each byte goes to bits 4 and 5.
        if (run == 0)
            panel.PrefetchCodes(pairs);
        switch (run)
        {
            case 0: code.vpslld(high, __zmmword_ptr[PanelCode.Codes + pairs], 4); break;
            case 1: code.vpslld(high, __zmmword_ptr[PanelCode.Codes + pairs], 2); break;
            case 2: code.vmovdqu64(high, __zmmword_ptr[PanelCode.Codes + pairs]); break;
            default: code.vpsrld(high, __zmmword_ptr[PanelCode.Codes + pairs], 2); break;
        }

        code.vpternlogd(codes, high, highPairs, OrSelected);
    }
}
