using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Iced.Intel;
using Kvasir.Kernels.Matrix.Amx;
using Kvasir.Kernels.Matrix.Codecs;
using Kvasir.Kernels.Matrix.Tiles;
using static Iced.Intel.AssemblerRegisters;

namespace Kvasir.Kernels.Matrix.Packed;

/// <summary>
/// Q6_K: sixteen groups of 16. Each half of a block of 256 columns is four runs of 32; a quarter is sixteen columns of all four runs, and is packed
/// together: the low four bits of runs 0 and 2, those of runs 1 and 3, then the upper pairs of bits of all. Scales are the half-precision
/// number, then the group scales as bytes, quarter by quarter and run by run, all rows of each.
/// </summary>
internal sealed unsafe class Q6_KPanels() : PanelFormat(WeightType.Q6_K)
{
    private const int Block = Q8Block256Row.BlockElements;
    private const int Quarters = 4;
    private const int Runs = 4;
    private const int GroupScalesAt = Rows * HalfFloat.Bytes;
    private const int PartBytes = 8 * VectorBytes;
    private const int QuarterBytes = 3 * PartBytes;
    private const int HighAt = 128;
    private const int ScalesAt = HighAt + 64;
    private const int ScaleAt = ScalesAt + 16;
    private const uint LowNibbles = 0x0F0F0F0F;
    private const uint HighPairs = 0x30303030;
    private const byte OrSelected = 0xF8;

    public override int CodeBytes => Quarters * QuarterBytes;

    public override int ScaleBytes => GroupScalesAt + Quarters * Runs * Rows;

    /// <summary>The group of 16 columns, counted as the format counts them.</summary>
    public static int Group(int quarter, int run) => quarter / 2 * 8 + run * 2 + quarter % 2;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Pack(TileRows rows, int offset, byte* codes, byte* scales)
    {
        PackHalves(rows, offset + ScaleAt, scales);
        for (var row = 0; row < Rows; row++)
        {
            var source = rows.Row(row) + offset + ScalesAt;
            for (var i = 0; i < Quarters * Runs; i++)
                scales[GroupScalesAt + i * Rows + row] = source[Group(i / Runs, i % Runs)];
        }

        for (var quarter = 0; quarter < Quarters; quarter++, codes += QuarterBytes)
        {
            var (half, column) = (quarter / 2, quarter % 2 * 16);
            PackWords(rows, offset + half * 64 + column, 16, codes);
            PackWords(rows, offset + half * 64 + 32 + column, 16, codes + PartBytes);
            PackWords(rows, offset + HighAt + half * 32 + column, 16, codes + 2 * PartBytes);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Widen(byte* codes, byte* scales, byte* pairs)
    {
        for (var half = 0; half < 2; half++, pairs += Bf16Pairs.TileBytes)
        {
            var blockScale = Bf16Pairs.Widen(scales + half * GroupScalesAt / 2);
            for (var quarter = 0; quarter < Quarters; quarter++)
            {
                for (var run = 0; run < Runs; run++)
                {
                    var group = Avx512F.ConvertToVector512Int32(
                        Vector128.Load((sbyte*)(scales + GroupScalesAt + (quarter * Runs + run) * Rows + half * Rows / 2)));
                    var scale = Vector512.ConvertToSingle(group) * blockScale;
                    var target = pairs + (quarter / 2 * Runs + run) * Bf16Pairs.StepBytes + quarter % 2 * Bf16Pairs.TileBytes / 2;
                    Widen(codes + quarter * QuarterBytes + half * VectorBytes, run, scale, target);
                }
            }
        }
    }

    public override void WriteConstants(PanelCode panel)
    {
        panel.Fill(PanelCode.Free(0), LowNibbles);
        panel.Fill(PanelCode.Free(1), HighPairs);
    }

    public override void WriteBlock(PanelCode panel) => WriteQuarters(panel.Code, panel.Rows, run => AddGroup(panel, run));

    public override void WriteBlock(StripCode strips) => WriteQuarters(strips.Code, strips.ActivationRows, run => AddGroup(strips, run));

    // A loop, because sixteen groups in a row are more instructions than the cache of decoded ones holds.
    private static void WriteQuarters(Assembler code, int rows, Action<int> addGroup)
    {
        var inner = PanelCode.Inner;
        code.mov(inner.Count, Quarters);
        code.mov(inner.X, PanelCode.Activations);
        code.mov(inner.Step, 16);
        code.lea(inner.Scales, __[PanelCode.Scales + GroupScalesAt]);
        code.lea(inner.Offsets, __[PanelCode.Activations + ActivationTile.Offsets256At(rows)]);
        var quarters = code.CreateLabel();
        code.Label(ref quarters);
        for (var run = 0; run < Runs; run++)
            addGroup(run);
        code.add(PanelCode.Codes, QuarterBytes);
        code.add(inner.Scales, Runs * Rows);
        code.add(inner.Offsets, Runs * rows * sizeof(int));
        // Sixteen columns on, then what is left of a half, in turn.
        code.add(inner.X, inner.Step);
        code.neg(inner.Step);
        code.add(inner.Step, Runs * rows * 32);
        code.dec(inner.Count);
        code.jne(quarters);
    }

    private static void AddGroup(PanelCode panel, int run)
    {
        var (code, rows, inner) = (panel.Code, panel.Rows, PanelCode.Inner);
        var x = PanelCode.Free(2);
        var (scale0, scale1) = (PanelCode.Free(3), PanelCode.Free(4));
        var (codes0, codes1) = (PanelCode.Free(5), PanelCode.Free(6));
        LoadScale(code, run, 0, scale0, codes0);
        LoadScale(code, run, 1, scale1, codes0);
        // Codes are multiplied as 0 to 63; the dot products begin with what the missing -32 makes.
        panel.StartDots(__dword_ptr[inner.Offsets + run * rows * sizeof(int)]);
        for (var i = 0; i < 4; i++)
        {
            LoadCodes(panel, i * 2 * VectorBytes, run, codes0);
            LoadCodes(panel, (i * 2 + 1) * VectorBytes, run, codes1);
            panel.AddDots((codes0, codes1), __dword_ptr[inner.X + run * rows * 32 + i * 4], x);
        }

        panel.AddScaled((scale0, scale1), ActivationTile.Scales256At(rows), x, codes0);
    }

    // Two products of codes below 64 fit 16 bits: 2 x 2 x 63 x 127.
    private static void AddGroup(StripCode strips, int run)
    {
        var (code, rows, inner) = (strips.Code, strips.ActivationRows, PanelCode.Inner);
        var (x, y, scale, blockScale) = (strips.Free(0), strips.Free(1), strips.Free(2), strips.Free(3));
        for (var i = 0; i < 4; i += 2)
            AddVectors(strips, run, i);
        foreach (var strip in strips.HeldStrips)
        {
            strips.AddOffsets(strip, __dword_ptr[inner.Offsets + run * rows * sizeof(int)], x);
            code.vpmovsxbd(scale, __qword_ptr[inner.Scales + run * Rows + strip * StripCode.Rows]);
            code.vcvtdq2ps(scale, scale);
            strips.LoadHalves(blockScale, 0, strip);
            code.vmulps(scale, scale, blockScale);
            strips.AddScaled(scale, strip, ActivationTile.Scales256At(rows), y);
        }
    }

    // Vectors i and i + 1 of a group.
    private static void AddVectors(StripCode strips, int run, int i)
    {
        var (code, rows) = (strips.Code, strips.ActivationRows);
        var (x, y, codes0, codes1) = (strips.Free(0), strips.Free(1), strips.Free(2), strips.Free(3));
        var activations = __dword_ptr[PanelCode.Inner.X + run * rows * 32 + i * 4];
        foreach (var strip in strips.HeldStrips)
        {
            LoadCodes(strips, i * 2 * VectorBytes, strip, run, codes0, x);
            LoadCodes(strips, (i + 1) * 2 * VectorBytes, strip, run, codes1, x);
            for (var row = 0; row < rows; row++)
            {
                code.vpbroadcastd(x, activations + row * 32);
                code.vpbroadcastd(y, activations + row * 32 + sizeof(int));
                code.vpmaddubsw(x, codes0, x);
                code.vpmaddubsw(y, codes1, y);
                code.vpaddw(x, x, y);
                strips.AddPairs(row, strip, x, first: i == 0);
            }
        }
    }

    private static void LoadCodes(StripCode strips, int at, int strip, int run, AssemblerRegisterYMM codes, AssemblerRegisterYMM high)
    {
        var (code, pairs) = (strips.Code, at + 2 * PartBytes);
        strips.LoadNibbles(codes, at + run % 2 * PartBytes, strip, isHigh: run >= 2);

        // Pair number run of each byte goes to bits 4 and 5.
        code.vmovdqu(high, run == 0 ? strips.CodesAt(pairs, strip) : StripCode.CachedCodesAt(pairs, strip));
        if (run < 2)
            code.vpslld(high, high, (byte)(4 - 2 * run));
        else if (run == 3)
            code.vpsrld(high, high, 2);
        code.vpand(high, high, StripCode.HighPairs);
        code.vpor(codes, codes, high);
    }

    // Sixteen columns of sixteen rows.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Widen(byte* codes, int run, Vector512<float> scale, byte* target)
    {
        var (nibbles, highPairs) = (Vector512.Create((int)LowNibbles), Vector512.Create((int)HighPairs));
        var offset = scale * -32f;
        for (var i = 0; i < 4; i++, codes += 2 * VectorBytes, target += 2 * Bf16Pairs.PairBytes)
        {
            var low = Vector512.ShiftRightLogical(Vector512.Load((int*)(codes + run % 2 * PartBytes)), run / 2 * 4);
            var pairs = Vector512.Load((int*)(codes + 2 * PartBytes));
            // Pair number run of each byte goes to bits 4 and 5.
            var high = run < 2 ? Vector512.ShiftLeft(pairs, 4 - 2 * run) : Vector512.ShiftRightLogical(pairs, 2 * run - 4);
            Bf16Pairs.Store((low & nibbles) | (high & highPairs), scale, offset, target);
        }
    }

    private static void LoadScale(Assembler code, int run, int half, AssemblerRegisterZMM scale, AssemblerRegisterZMM blockScale)
    {
        code.vpmovsxbd(scale, __xmmword_ptr[PanelCode.Inner.Scales + run * Rows + half * Rows / 2]);
        code.vcvtdq2ps(scale, scale);
        code.vcvtph2ps(blockScale, __ymmword_ptr[PanelCode.Scales + half * GroupScalesAt / 2]);
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
