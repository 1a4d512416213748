using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Kvasir.Kernels.Matrix.Amx;
using Kvasir.Kernels.Matrix.Codecs;
using Kvasir.Kernels.Matrix.Tiles;
using static Iced.Intel.AssemblerRegisters;

namespace Kvasir.Kernels.Matrix.Packed;

/// <summary>Q4_0: a vector of nibbles holds four columns in its low halves and the four that are sixteen later in its high halves.</summary>
internal sealed unsafe class Q4_0Panels() : PanelFormat(WeightType.Q4_0)
{
    private const int Block = Q8Block32Row.BlockElements;
    private const int Vectors = Block / 8;
    private const uint LowNibbles = 0x0F0F0F0F;

    public override int CodeBytes => Rows * Block / 2;

    public override int ScaleBytes => Rows * HalfFloat.Bytes;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Pack(TileRows rows, int offset, byte* codes, byte* scales)
    {
        PackHalves(rows, offset, scales);
        PackWords(rows, offset + HalfFloat.Bytes, Block / 2, codes);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Widen(byte* codes, byte* scales, byte* pairs)
    {
        var nibbles = Vector512.Create((int)LowNibbles);
        for (var half = 0; half < 2; half++, pairs += Bf16Pairs.TileBytes)
        {
            var scale = Bf16Pairs.Widen(scales + half * ScaleBytes / 2);
            var offset = scale * -8f;
            for (var i = 0; i < Vectors; i++)
            {
                var packed = Vector512.Load((int*)(codes + (i * 2 + half) * VectorBytes));
                Bf16Pairs.Store(packed & nibbles, scale, offset, pairs + 2 * i * Bf16Pairs.PairBytes);
                Bf16Pairs.Store(Vector512.ShiftRightLogical(packed, 4) & nibbles, scale, offset, pairs + (Block / 4 + 2 * i) * Bf16Pairs.PairBytes);
            }
        }
    }

    public override void WriteConstants(PanelCode panel) => panel.Fill(PanelCode.Free(0), LowNibbles);

    public override void WriteBlock(PanelCode panel)
    {
        var (code, rows) = (panel.Code, panel.Rows);
        var (nibbles, x) = (PanelCode.Free(0), PanelCode.Free(1));
        var (scale0, scale1) = (PanelCode.Free(2), PanelCode.Free(3));
        var (codes0, codes1) = (PanelCode.Free(4), PanelCode.Free(5));
        var (packed0, packed1) = (PanelCode.Free(6), PanelCode.Free(7));

        // Codes are multiplied as 0 to 15; the dot products begin with what the missing -8 makes.
        panel.StartDots(__dword_ptr[PanelCode.Activations + ActivationTile.Offsets32At(rows)]);
        for (var i = 0; i < Vectors; i++)
        {
            panel.PrefetchCodes(i * 2 * VectorBytes);
            panel.PrefetchCodes((i * 2 + 1) * VectorBytes);
            code.vmovdqu64(packed0, __zmmword_ptr[PanelCode.Codes + i * 2 * VectorBytes]);
            code.vmovdqu64(packed1, __zmmword_ptr[PanelCode.Codes + (i * 2 + 1) * VectorBytes]);
            code.vpandd(codes0, packed0, nibbles);
            code.vpandd(codes1, packed1, nibbles);
            panel.AddDots((codes0, codes1), __dword_ptr[PanelCode.Activations + i * 4], x);
            code.vpsrld(packed0, packed0, 4);
            code.vpsrld(packed1, packed1, 4);
            code.vpandd(codes0, packed0, nibbles);
            code.vpandd(codes1, packed1, nibbles);
            panel.AddDots((codes0, codes1), __dword_ptr[PanelCode.Activations + Block / 2 + i * 4], x);
        }

        code.vcvtph2ps(scale0, __ymmword_ptr[PanelCode.Scales]);
        code.vcvtph2ps(scale1, __ymmword_ptr[PanelCode.Scales + ScaleBytes / 2]);
        panel.AddScaled((scale0, scale1), ActivationTile.Scales32At(rows), x, codes0);
        code.add(PanelCode.Codes, CodeBytes);
    }

    public override void WriteBlock(StripCode strips)
    {
        var (code, rows) = (strips.Code, strips.ActivationRows);
        var (x, scale) = (strips.Free(0), strips.Free(1));
        for (var i = 0; i < Vectors; i++)
        {
            var at = i * 2 * VectorBytes;
            var (low, high) = (__dword_ptr[PanelCode.Activations + i * 4], __dword_ptr[PanelCode.Activations + Block / 2 + i * 4]);
            strips.AddBytes((codes, strip) => strips.LoadNibbles(codes, at, strip, isHigh: false), low, first: i == 0);
            strips.AddBytes((codes, strip) => strips.LoadNibbles(codes, at, strip, isHigh: true), high, first: false);
        }

        foreach (var strip in strips.HeldStrips)
        {
            strips.WidenDots(strip);
            strips.AddOffsets(strip, __dword_ptr[PanelCode.Activations + ActivationTile.Offsets32At(rows)], x);
            strips.LoadHalves(scale, 0, strip);
            strips.AddScaled(scale, strip, ActivationTile.Scales32At(rows), x);
        }

        code.add(PanelCode.Codes, CodeBytes);
    }
}
