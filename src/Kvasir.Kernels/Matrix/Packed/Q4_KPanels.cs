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
/// Q4_K: eight groups of 32, two of them in the low and high nibbles of the same vectors. The scales of a block are its two half-precision
/// numbers, then the eight scales as bytes, all rows of each, then the minimums as pairs of bytes, for products with pairs of sums.
/// </summary>
internal sealed unsafe class Q4_KPanels() : PanelFormat(WeightType.Q4_K)
{
    private const int Block = Q8Block256Row.BlockElements;
    private const int Groups = 8;
    private const int GroupVectors = 8;
    private const int HalvesBytes = Rows * HalfFloat.Bytes;
    private const int ScalesAt = 2 * HalvesBytes;
    private const int PairBytes = 2 * Rows;
    private const int MinimumsAt = ScalesAt + Groups * Rows;
    private const int NibblesAt = 2 * HalfFloat.Bytes + SixBitScales.Bytes;
    private const uint LowNibbles = 0x0F0F0F0F;

    public override int CodeBytes => Rows * Block / 2;

    public override int ScaleBytes => MinimumsAt + Groups / 2 * PairBytes;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Pack(TileRows rows, int offset, byte* codes, byte* scales)
    {
        PackWords(rows, offset + NibblesAt, Block / 2, codes);
        PackScales(rows, offset, scales);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Widen(byte* codes, byte* scales, byte* pairs)
    {
        var nibbles = Vector512.Create((int)LowNibbles);
        for (var half = 0; half < 2; half++, pairs += Bf16Pairs.TileBytes)
        {
            var blockScale = Bf16Pairs.Widen(scales + half * HalvesBytes / 2);
            var blockMinimum = Bf16Pairs.Widen(scales + HalvesBytes + half * HalvesBytes / 2);
            for (var group = 0; group < Groups; group++)
            {
                var (pair, shift) = (group / 2, group % 2);
                var bytes = Avx512F.ConvertToVector512Int32(Vector128.Load(scales + ScalesAt + group * Rows + half * Rows / 2));
                var minimums = WordLanes512.LoadHalves((ushort*)(scales + MinimumsAt + pair * PairBytes + half * PairBytes / 2));
                var minimum = Vector512.ShiftRightLogical(minimums, 8 * shift) & Vector512.Create(0xFF);
                var scale = Vector512.ConvertToSingle(bytes) * blockScale;
                var offset = -(Vector512.ConvertToSingle(minimum) * blockMinimum);
                var source = codes + (pair * GroupVectors * 2 + half) * VectorBytes;
                for (var i = 0; i < GroupVectors; i++)
                {
                    var packed = Vector512.ShiftRightLogical(Vector512.Load((int*)(source + i * 2 * VectorBytes)), 4 * shift);
                    Bf16Pairs.Store(packed & nibbles, scale, offset, pairs + group * Bf16Pairs.StepBytes + 2 * i * Bf16Pairs.PairBytes);
                }
            }
        }
    }

    public override void WriteConstants(PanelCode panel) => panel.Fill(PanelCode.Free(0), LowNibbles);

    public override void WriteBlock(PanelCode panel)
    {
        var (code, rows) = (panel.Code, panel.Rows);
        var (x, blockScale0, blockScale1) = (PanelCode.Free(1), PanelCode.Free(2), PanelCode.Free(3));
        var (scale0, scale1) = (PanelCode.Free(4), PanelCode.Free(5));
        var (codes0, codes1) = (PanelCode.Free(6), PanelCode.Free(7));
        LoadHalves(code, 0, blockScale0, blockScale1);

        // A loop, because eight groups in a row are more instructions than the cache of decoded ones holds.
        var inner = PanelCode.Inner;
        code.mov(inner.Count, Groups / 2);
        code.mov(inner.X, PanelCode.Activations);
        code.lea(inner.Scales, __[PanelCode.Scales + ScalesAt]);
        var pairs = code.CreateLabel();
        code.Label(ref pairs);
        for (var group = 0; group < 2; group++)
        {
            LoadScale(code, group * Rows, scale0, blockScale0);
            LoadScale(code, group * Rows + Rows / 2, scale1, blockScale1);
            panel.ClearDots();
            for (var i = 0; i < GroupVectors; i++)
            {
                LoadCodes(panel, i * 2 * VectorBytes, group, codes0);
                LoadCodes(panel, (i * 2 + 1) * VectorBytes, group, codes1);
                panel.AddDots((codes0, codes1), __dword_ptr[inner.X + group * rows * 32 + i * 4], x);
            }

            panel.AddScaled((scale0, scale1), ActivationTile.Scales256At(rows), x, codes0);
        }

        code.add(PanelCode.Codes, GroupVectors * 2 * VectorBytes);
        code.add(inner.X, 2 * rows * 32);
        code.add(inner.Scales, 2 * Rows);
        code.dec(inner.Count);
        code.jne(pairs);
        AddMinimums(panel, (scale0, scale1), (codes0, codes1), x);
    }

    public override void WriteBlock(StripCode strips)
    {
        var (code, rows, inner) = (strips.Code, strips.ActivationRows, PanelCode.Inner);
        var (x, codes) = (strips.Free(0), strips.Free(1));
        code.mov(inner.Count, Groups / 2);
        code.mov(inner.X, PanelCode.Activations);
        code.lea(inner.Scales, __[PanelCode.Scales + ScalesAt]);
        var pairs = code.CreateLabel();
        code.Label(ref pairs);
        for (var group = 0; group < 2; group++)
            AddGroup(strips, group);
        code.add(PanelCode.Codes, GroupVectors * 2 * VectorBytes);
        code.add(inner.X, 2 * rows * 32);
        code.add(inner.Scales, 2 * Rows);
        code.dec(inner.Count);
        code.jne(pairs);
        foreach (var strip in strips.HeldStrips)
            AddMinimums(strips, strip, codes, x);
    }

    private static void AddGroup(StripCode strips, int group)
    {
        var (code, rows, inner) = (strips.Code, strips.ActivationRows, PanelCode.Inner);
        var (x, blockScale, scale) = (strips.Free(0), strips.Free(1), strips.Free(2));
        for (var i = 0; i < GroupVectors; i++)
        {
            var at = i * 2 * VectorBytes;
            strips.AddBytes(
                (codes, strip) => strips.LoadNibbles(codes, at, strip, isHigh: group == 1),
                __dword_ptr[inner.X + group * rows * 32 + i * 4], first: i == 0);
        }

        foreach (var strip in strips.HeldStrips)
        {
            strips.WidenDots(strip);
            code.vpmovzxbd(scale, __qword_ptr[inner.Scales + group * Rows + strip * StripCode.Rows]);
            code.vcvtdq2ps(scale, scale);
            strips.LoadHalves(blockScale, 0, strip);
            code.vmulps(scale, scale, blockScale);
            strips.AddScaled(scale, strip, ActivationTile.Scales256At(rows), x);
        }
    }

    private static void AddMinimums(
        PanelCode panel, (AssemblerRegisterZMM First, AssemblerRegisterZMM Second) scale,
        (AssemblerRegisterZMM First, AssemblerRegisterZMM Second) minimums, AssemblerRegisterZMM x)
    {
        var (code, rows) = (panel.Code, panel.Rows);
        panel.ClearDots();
        for (var pair = 0; pair < Groups / 2; pair++)
        {
            code.vpmovzxbw(minimums.First, __ymmword_ptr[PanelCode.Scales + MinimumsAt + pair * PairBytes]);
            code.vpmovzxbw(minimums.Second, __ymmword_ptr[PanelCode.Scales + MinimumsAt + pair * PairBytes + PairBytes / 2]);
            panel.AddSumPairs(minimums, ActivationTile.Sums32At(rows) + pair * 2 * sizeof(short), Q8Block256Row.Sums32PerBlock, x);
        }

        LoadHalves(code, HalvesBytes, scale.First, scale.Second);
        panel.AddScaled(scale, ActivationTile.Scales256At(rows), x, minimums.First, subtract: true);
    }

    private static void AddMinimums(StripCode strips, int strip, AssemblerRegisterYMM minimums, AssemblerRegisterYMM x)
    {
        var (code, rows) = (strips.Code, strips.ActivationRows);
        for (var pair = 0; pair < Groups / 2; pair++)
        {
            code.vpmovzxbw(minimums, __xmmword_ptr[PanelCode.Scales + MinimumsAt + pair * PairBytes + strip * 2 * StripCode.Rows]);
            for (var row = 0; row < rows; row++)
            {
                var sums = ActivationTile.Sums32At(rows) + (row * Q8Block256Row.Sums32PerBlock + pair * 2) * sizeof(short);
                code.vpbroadcastd(x, __dword_ptr[PanelCode.Activations + sums]);
                strips.AddPairs(row, strip, (x, minimums), first: pair == 0);
            }
        }

        strips.LoadHalves(minimums, HalvesBytes, strip);
        strips.AddScaled(minimums, strip, ActivationTile.Scales256At(rows), x, subtract: true);
    }

    private static void PackScales(TileRows rows, int offset, byte* scales)
    {
        var parts = default(BlockParts);
        PackHalves(rows, offset, scales);
        PackHalves(rows, offset + HalfFloat.Bytes, scales + HalvesBytes);
        for (var row = 0; row < Rows; row++)
        {
            SixBitScales.Split(rows.Row(row) + offset + 2 * HalfFloat.Bytes, ref parts);
            for (var group = 0; group < Groups; group++)
            {
                scales[ScalesAt + group * Rows + row] = (byte)parts.Scales[group];
                scales[MinimumsAt + group / 2 * PairBytes + 2 * row + group % 2] = (byte)parts.Minimums[group];
            }
        }
    }

    private static void LoadHalves(Assembler code, int at, AssemblerRegisterZMM first, AssemblerRegisterZMM second)
    {
        code.vcvtph2ps(first, __ymmword_ptr[PanelCode.Scales + at]);
        code.vcvtph2ps(second, __ymmword_ptr[PanelCode.Scales + at + HalvesBytes / 2]);
    }

    private static void LoadScale(Assembler code, int at, AssemblerRegisterZMM scale, AssemblerRegisterZMM blockScale)
    {
        code.vpmovzxbd(scale, __xmmword_ptr[PanelCode.Inner.Scales + at]);
        code.vcvtdq2ps(scale, scale);
        code.vmulps(scale, scale, blockScale);
    }

    private static void LoadCodes(PanelCode panel, int at, int group, AssemblerRegisterZMM codes)
    {
        var (code, nibbles) = (panel.Code, PanelCode.Free(0));
        if (group == 0)
        {
            panel.PrefetchCodes(at);
            code.vpandd(codes, nibbles, __zmmword_ptr[PanelCode.Codes + at]);
            return;
        }

        code.vpsrld(codes, __zmmword_ptr[PanelCode.Codes + at], 4);
        code.vpandd(codes, codes, nibbles);
    }
}
