using System.Runtime.CompilerServices;
using Kvasir.Kernels.Matrix.Amx;
using Kvasir.Kernels.Matrix.Codecs;
using Kvasir.Kernels.Matrix.Tiles;
using static Iced.Intel.AssemblerRegisters;

namespace Kvasir.Kernels.Matrix.Packed;

/// <summary>IQ4_NL: one <see cref="NibbleGroup"/>, then the half-precision scale of each row.</summary>
internal sealed unsafe class IQ4_NLPanels() : PanelFormat(WeightType.IQ4_NL)
{
    // Prepared activations have -8 times the sum of their codes: sixteen times as much makes up for 128.
    private const byte OffsetShift = 4;

    public override int CodeBytes => NibbleGroup.Bytes;

    public override int ScaleBytes => Rows * HalfFloat.Bytes;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Pack(TileRows rows, int offset, byte* codes, byte* scales)
    {
        PackHalves(rows, offset, scales);
        PackWords(rows, offset + HalfFloat.Bytes, Nibbles.Bytes, codes);
    }

    public override void Widen(byte* codes, byte* scales, byte* pairs)
    {
        for (var half = 0; half < 2; half++)
            NibbleGroup.Iq4.Widen(codes, half, Bf16Pairs.Widen(scales + half * ScaleBytes / 2), pairs + half * Bf16Pairs.TileBytes);
    }

    public override void WriteConstants(PanelCode panel) => NibbleGroup.Iq4.WriteConstants(panel);

    public override void WriteBlock(PanelCode panel)
    {
        var (code, rows) = (panel.Code, panel.Rows);
        var (scale0, scale1) = (PanelCode.Free(4), PanelCode.Free(5));
        panel.StartDots(ActivationTile.Offsets32At(rows), OffsetShift);
        NibbleGroup.AddDots(panel, 0, static column => __dword_ptr[PanelCode.Activations + column]);
        code.vcvtph2ps(scale0, __ymmword_ptr[PanelCode.Scales]);
        code.vcvtph2ps(scale1, __ymmword_ptr[PanelCode.Scales + ScaleBytes / 2]);
        panel.AddScaled((scale0, scale1), ActivationTile.Scales32At(rows), PanelCode.Free(2), PanelCode.Free(6));
        code.add(PanelCode.Codes, CodeBytes);
    }

    public override void WriteBlock(StripCode strips)
    {
        NibbleGroup.AddIq4Dots(strips, 0, static column => __dword_ptr[PanelCode.Activations + column]);
        foreach (var strip in strips.HeldStrips)
        {
            strips.LoadHalves(strips.Free(1), 0, strip);
            strips.AddScaled(strips.Free(1), strip, ActivationTile.Scales32At(strips.ActivationRows), strips.Free(0));
        }

        strips.Code.add(PanelCode.Codes, CodeBytes);
    }
}
