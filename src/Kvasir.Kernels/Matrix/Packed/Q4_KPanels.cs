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
        PackScales(rows, offset, scales, 0);
        PackScales(new TileRows(rows.Row(Rows / 2), rows.Stride), offset, scales, 1);
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

    /// <summary>Sixteen rows, a lane each: the twelve bytes as <see cref="SixBitScales"/> describes them.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void PackScales(TileRows rows, int offset, byte* scales, int half)
    {
        WordLanes512.LoadWords(rows, offset, out var halves, out var low, out var lowMinimums, out var high);
        Avx512F.ConvertToVector256UInt16(halves.AsUInt32()).Store((ushort*)(scales + half * HalvesBytes / 2));
        Avx512F.ConvertToVector256UInt16(halves.AsUInt32() >> 16).Store((ushort*)(scales + HalvesBytes + half * HalvesBytes / 2));
        var (scaleTops, minimumTops) = ((low >> 2) & WordLanes512.Fill(0x30303030), (lowMinimums >> 2) & WordLanes512.Fill(0x30303030));
        StoreScales(low & WordLanes512.Fill(0x3F3F3F3F), scales + ScalesAt + half * Rows / 2);
        StoreScales((high & WordLanes512.Fill(0x0F0F0F0F)) | scaleTops, scales + ScalesAt + 4 * Rows + half * Rows / 2);
        StorePairs(lowMinimums & WordLanes512.Fill(0x3F3F3F3F), scales + MinimumsAt + half * PairBytes / 2);
        StorePairs(((high >> 4) & WordLanes512.Fill(0x0F0F0F0F)) | minimumTops, scales + MinimumsAt + 2 * PairBytes + half * PairBytes / 2);
    }

    /// <summary>Byte i of every lane goes to group i.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreScales(Vector512<int> bytes, byte* target)
    {
        for (var group = 0; group < 4; group++, bytes = Vector512.ShiftRightLogical(bytes, 8))
            Avx512F.ConvertToVector128Byte(bytes.AsUInt32()).Store(target + group * Rows);
    }

    /// <summary>Bytes 0 and 1 of every lane go to one pair, 2 and 3 to the next.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StorePairs(Vector512<int> bytes, byte* target)
    {
        Avx512F.ConvertToVector256UInt16(bytes.AsUInt32()).Store((ushort*)target);
        Avx512F.ConvertToVector256UInt16(bytes.AsUInt32() >> 16).Store((ushort*)(target + PairBytes));
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
