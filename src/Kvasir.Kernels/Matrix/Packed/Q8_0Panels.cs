using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Kvasir.Kernels.Matrix.Amx;
using Kvasir.Kernels.Matrix.Codecs;
using Kvasir.Kernels.Matrix.Tiles;
using static Iced.Intel.AssemblerRegisters;

namespace Kvasir.Kernels.Matrix.Packed;

/// <summary>Q8_0: codes are kept as unsigned bytes, 128 more than they are.</summary>
internal sealed unsafe class Q8_0Panels() : PanelFormat(WeightType.Q8_0)
{
    private const int Block = Q8Block32Row.BlockElements;
    private const int Vectors = Block / 4;
    private const int SignBits = unchecked((int)0x80808080);

    // Prepared activations have -8 times the sum of their codes: sixteen times as much makes up for 128.
    private const byte OffsetShift = 4;

    public override int CodeBytes => Rows * Block;

    public override int ScaleBytes => Rows * HalfFloat.Bytes;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Pack(TileRows rows, int offset, byte* codes, byte* scales)
    {
        PackHalves(rows, offset, scales);
        PackWords(rows, offset + HalfFloat.Bytes, Block, codes, SignBits);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Widen(byte* codes, byte* scales, byte* pairs)
    {
        for (var half = 0; half < 2; half++, pairs += Bf16Pairs.TileBytes)
        {
            var scale = Bf16Pairs.Widen(scales + half * ScaleBytes / 2);
            var offset = scale * -128f;
            for (var i = 0; i < Vectors; i++)
                Bf16Pairs.Store(Vector512.Load((int*)(codes + (i * 2 + half) * VectorBytes)), scale, offset, pairs + 2 * i * Bf16Pairs.PairBytes);
        }
    }

    public override void WriteConstants(PanelCode panel)
    {
        // None.
    }

    public override void WriteBlock(PanelCode panel)
    {
        var (code, rows) = (panel.Code, panel.Rows);
        var (x, product) = (PanelCode.Free(0), PanelCode.Free(1));
        var (scale0, scale1) = (PanelCode.Free(2), PanelCode.Free(3));
        var (codes0, codes1) = (PanelCode.Free(4), PanelCode.Free(5));
        panel.StartDots(ActivationTile.Offsets32At(rows), OffsetShift);
        for (var i = 0; i < Vectors; i++)
        {
            panel.PrefetchCodes(i * 2 * VectorBytes);
            panel.PrefetchCodes((i * 2 + 1) * VectorBytes);
            code.vmovdqu64(codes0, __zmmword_ptr[PanelCode.Codes + i * 2 * VectorBytes]);
            code.vmovdqu64(codes1, __zmmword_ptr[PanelCode.Codes + (i * 2 + 1) * VectorBytes]);
            panel.AddDots((codes0, codes1), __dword_ptr[PanelCode.Activations + i * 4], x);
        }

        code.vcvtph2ps(scale0, __ymmword_ptr[PanelCode.Scales]);
        code.vcvtph2ps(scale1, __ymmword_ptr[PanelCode.Scales + ScaleBytes / 2]);
        panel.AddScaled((scale0, scale1), ActivationTile.Scales32At(rows), x, product);
        code.add(PanelCode.Codes, CodeBytes);
    }

    // 255 x 127 twice does not fit 16 bits, 128 x 127 does: codes give up their sign to the activations.
    public override void WriteBlock(StripCode strips)
    {
        var (code, rows) = (strips.Code, strips.ActivationRows);
        var (x, codes, magnitudes, products) = (strips.Free(0), strips.Free(1), strips.Free(2), strips.Free(3));
        for (var i = 0; i < Vectors; i++)
        {
            if (rows == 1)
                code.vpbroadcastd(x, __dword_ptr[PanelCode.Activations + i * 4]);
            foreach (var strip in strips.HeldStrips)
            {
                code.vmovdqu(codes, strips.CodesAt(i * 2 * VectorBytes, strip));
                code.vpxor(codes, codes, StripCode.SignBits);
                code.vpabsb(magnitudes, codes);
                for (var row = 0; row < rows; row++)
                {
                    if (rows > 1)
                        code.vpbroadcastd(x, __dword_ptr[PanelCode.Activations + row * Block + i * 4]);
                    code.vpsignb(products, x, codes);
                    code.vpmaddubsw(products, magnitudes, products);
                    strips.AddPairs(row, strip, products, first: i == 0);
                }
            }
        }

        foreach (var strip in strips.HeldStrips)
        {
            strips.LoadHalves(codes, 0, strip);
            strips.AddScaled(codes, strip, ActivationTile.Scales32At(rows), x);
        }

        code.add(PanelCode.Codes, CodeBytes);
    }
}
