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
/// IQ4_XS: eight of <see cref="NibbleGroup"/>, the half-precision scale of each row, and the groups' scales as signed bytes, group by group, all rows of each.
/// </summary>
internal sealed unsafe class IQ4_XSPanels() : PanelFormat(WeightType.IQ4_XS)
{
    private const int Groups = 8;
    private const int HalfGroups = Groups / 2;
    private const int GroupScalesAt = Rows * HalfFloat.Bytes;
    private const int LowScalesAt = HalfFloat.Bytes + sizeof(ushort);
    private const int NibblesAt = LowScalesAt + Groups / 2;
    private const sbyte ScaleOffset = 32;

    // Prepared activations have -32 times the sums of their sixteens: four times as much makes up for 128.
    private const byte OffsetShift = 2;

    public override int CodeBytes => Groups * NibbleGroup.Bytes;

    public override int ScaleBytes => GroupScalesAt + Groups * Rows;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Pack(TileRows rows, int offset, byte* codes, byte* scales)
    {
        PackHalves(rows, offset, scales);
        for (var row = 0; row < Rows; row++)
        {
            var block = rows.Row(row) + offset;
            var high = Unsafe.ReadUnaligned<ushort>(block + HalfFloat.Bytes);
            for (var group = 0; group < Groups; group++)
            {
                var low = block[LowScalesAt + group / 2] >> (4 * (group % 2)) & 15;
                ((sbyte*)scales)[GroupScalesAt + group * Rows + row] = (sbyte)((low | (high >> (2 * group) & 3) << 4) - ScaleOffset);
            }
        }

        for (var group = 0; group < Groups; group++)
            PackWords(rows, offset + NibblesAt + group * Nibbles.Bytes, Nibbles.Bytes, codes + group * NibbleGroup.Bytes);
    }

    public override void Widen(byte* codes, byte* scales, byte* pairs)
    {
        for (var half = 0; half < 2; half++)
        {
            var blockScale = Bf16Pairs.Widen(scales + half * GroupScalesAt / 2);
            for (var group = 0; group < Groups; group++)
            {
                var own = Avx512F.ConvertToVector512Int32(Vector128.Load((sbyte*)(scales + GroupScalesAt + group * Rows + half * Rows / 2)));
                var target = pairs + group * Bf16Pairs.StepBytes + half * Bf16Pairs.TileBytes;
                NibbleGroup.Iq4.Widen(codes + group * NibbleGroup.Bytes, half, Vector512.ConvertToSingle(own) * blockScale, target);
            }
        }
    }

    public override void WriteConstants(PanelCode panel) => NibbleGroup.Iq4.WriteConstants(panel);

    public override void WriteBlock(PanelCode panel) => WriteHalves(panel.Code, panel.Rows, group => AddGroup(panel, group));

    public override void WriteBlock(StripCode strips) => WriteHalves(strips.Code, strips.ActivationRows, group => AddGroup(strips, group));

    // A loop, because eight groups in a row are more instructions than the cache of decoded ones holds.
    private static void WriteHalves(Assembler code, int rows, Action<int> addGroup)
    {
        var inner = PanelCode.Inner;
        code.mov(inner.Count, 2);
        code.mov(inner.X, PanelCode.Activations);
        code.lea(inner.Scales, __[PanelCode.Scales + GroupScalesAt]);
        code.lea(inner.Offsets, __[PanelCode.Activations + ActivationTile.Offsets256At(rows)]);
        var halves = code.CreateLabel();
        code.Label(ref halves);
        for (var group = 0; group < HalfGroups; group++)
            addGroup(group);
        code.add(PanelCode.Codes, HalfGroups * NibbleGroup.Bytes);
        code.add(inner.X, HalfGroups * rows * Q8Block32Row.BlockElements);
        code.add(inner.Scales, HalfGroups * Rows);
        code.add(inner.Offsets, Groups * rows * sizeof(int));
        code.dec(inner.Count);
        code.jne(halves);
    }

    private static void AddGroup(PanelCode panel, int group)
    {
        var (code, rows, inner) = (panel.Code, panel.Rows, PanelCode.Inner);
        var (x, scale0, scale1) = (PanelCode.Free(2), PanelCode.Free(4), PanelCode.Free(5));
        // Offsets are those of sixteens, a half's first ones and then its second ones.
        panel.StartDots(inner.Offsets, group * rows * sizeof(int), OffsetShift);
        panel.AddOffsets(inner.Offsets, (HalfGroups + group) * rows * sizeof(int), OffsetShift, x);
        NibbleGroup.AddDots(panel, group * NibbleGroup.Bytes, column => At(rows, group, column));
        LoadScale(code, group, 0, scale0, PanelCode.Free(6));
        LoadScale(code, group, 1, scale1, PanelCode.Free(6));
        panel.AddScaled((scale0, scale1), ActivationTile.Scales256At(rows), x, PanelCode.Free(6));
    }

    private static void LoadScale(Assembler code, int group, int half, AssemblerRegisterZMM scale, AssemblerRegisterZMM blockScale)
    {
        code.vpmovsxbd(scale, __xmmword_ptr[PanelCode.Inner.Scales + group * Rows + half * Rows / 2]);
        code.vcvtdq2ps(scale, scale);
        code.vcvtph2ps(blockScale, __ymmword_ptr[PanelCode.Scales + half * GroupScalesAt / 2]);
        code.vmulps(scale, scale, blockScale);
    }

    private static void AddGroup(StripCode strips, int group)
    {
        var (code, rows) = (strips.Code, strips.ActivationRows);
        var (x, scale, blockScale) = (strips.Free(0), strips.Free(1), strips.Free(2));
        NibbleGroup.AddIq4Dots(strips, group * NibbleGroup.Bytes, column => At(rows, group, column));
        foreach (var strip in strips.HeldStrips)
        {
            code.vpmovsxbd(scale, __qword_ptr[PanelCode.Inner.Scales + group * Rows + strip * StripCode.Rows]);
            code.vcvtdq2ps(scale, scale);
            strips.LoadHalves(blockScale, 0, strip);
            code.vmulps(scale, scale, blockScale);
            strips.AddScaled(scale, strip, ActivationTile.Scales256At(rows), x);
        }
    }

    private static AssemblerMemoryOperand At(int rows, int group, int column) =>
        __dword_ptr[PanelCode.Inner.X + group * rows * Q8Block32Row.BlockElements + column];
}
