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
/// MXFP4: nibbles lie as in <see cref="Q4_0Panels"/> and name the values of a table, scales are the exponents as they were stored. So a matrix takes as many
/// bytes as before, and a shuffle for every vector of codes is all that comes on top of Q4_0's work.
/// </summary>
internal sealed unsafe class MXFP4Panels() : PanelFormat(WeightType.MXFP4)
{
    private const int Block = Q8Block32Row.BlockElements;
    private const int Vectors = Block / 8;
    private const byte MantissaBits = 23;

    // Prepared activations have -8 times the sum of their codes: twice as much makes up for the 16 that doubled values are more.
    private const byte OffsetShift = 1;

    // Scales are 2^(e - 128), half of what e is as a float's exponent; where e is 0 the float has one bit of its mantissa.
    private const uint LeastScale = 1u << (MantissaBits - 1);
    private const uint OneHalf = 0x3F000000;
    private const byte UsualExponent = 127;

    public override int CodeBytes => Rows * Block / 2;

    public override int ScaleBytes => Rows * sizeof(byte);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Pack(TileRows rows, int offset, byte* codes, byte* scales)
    {
        for (var row = 0; row < Rows; row++)
        {
            var block = rows.Row(row) + offset;
            scales[row] = *block == 0 && IsZero(block + sizeof(byte)) ? UsualExponent : *block;
        }

        PackWords(rows, offset + sizeof(byte), Block / 2, codes);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Widen(byte* codes, byte* scales, byte* pairs)
    {
        for (var half = 0; half < 2; half++, pairs += Bf16Pairs.TileBytes)
        {
            var exponents = Avx512F.ConvertToVector512UInt32(Vector128.Load(scales + half * ScaleBytes / 2));
            var scale = Vector512.Max(exponents << MantissaBits, Vector512.Create(LeastScale)).AsSingle() * 0.5f;
            NibbleGroup.MXFP4.Widen(codes, half, scale, pairs);
        }
    }

    public override void WriteConstants(PanelCode panel) => NibbleGroup.MXFP4.WriteConstants(panel);

    public override void WriteBlock(PanelCode panel)
    {
        var (code, rows) = (panel.Code, panel.Rows);
        var (x, codes0, codes1, free) = (PanelCode.Free(2), PanelCode.Free(4), PanelCode.Free(5), PanelCode.Free(6));
        panel.StartDots(ActivationTile.Offsets32At(rows), OffsetShift);
        NibbleGroup.AddDots(panel, 0, static column => __dword_ptr[PanelCode.Activations + column]);
        LoadScale(panel, codes0, 0);
        LoadScale(panel, codes1, ScaleBytes / 2);
        panel.AddScaled((codes0, codes1), ActivationTile.Scales32At(rows), x, free);
        code.add(PanelCode.Codes, CodeBytes);
    }

    // The signs go to the activations: of 16 more than the values too few products would fit 16 bits; of their sizes 8 x 2 x 12 x 127 do.
    public override void WriteBlock(StripCode strips)
    {
        var (code, rows) = (strips.Code, strips.ActivationRows);
        var (x, codes, table) = (strips.Free(0), strips.Free(1), strips.Free(3));
        code.vmovdqu(table, StripCode.MXFP4Values);
        for (var i = 0; i < 2 * Vectors; i++)
        {
            // All low nibbles and then all high ones would read a line twice, far apart.
            var (at, isHigh) = (i / 2 * 2 * VectorBytes, i % 2 > 0);
            var activations = __dword_ptr[PanelCode.Activations + i / 2 * 4 + (isHigh ? Block / 2 : 0)];
            if (rows == 1)
                code.vpbroadcastd(x, activations);
            foreach (var strip in strips.HeldStrips)
            {
                strips.LoadNibbles(codes, at, strip, isHigh);
                code.vpshufb(codes, table, codes);
                MultiplySigned(strips, strip, activations, first: i == 0);
            }
        }

        foreach (var strip in strips.HeldStrips)
        {
            strips.WidenDots(strip);
            code.vpmovzxbd(codes, __qword_ptr[PanelCode.Scales + strip * StripCode.Rows]);
            code.vpslld(codes, codes, MantissaBits);
            code.vpmaxud(codes, codes, StripCode.LeastScales);
            code.vmulps(codes, codes, StripCode.OneHalves);
            strips.AddScaled(codes, strip, ActivationTile.Scales32At(rows), x);
        }

        code.add(PanelCode.Codes, CodeBytes);
    }

    private static void MultiplySigned(StripCode strips, int strip, AssemblerMemoryOperand activations, bool first)
    {
        var (code, rows) = (strips.Code, strips.ActivationRows);
        var (x, codes, sizes) = (strips.Free(0), strips.Free(1), strips.Free(2));
        code.vpabsb(sizes, codes);
        for (var row = 0; row < rows; row++)
        {
            // One row keeps its activations for the next strip, and can spare the codes.
            var products = rows > 1 ? x : codes;
            if (rows > 1)
                code.vpbroadcastd(x, activations + row * Block);
            code.vpsignb(products, x, codes);
            code.vpmaddubsw(first ? strips.Dot(row, strip) : products, sizes, products);
            if (!first)
                code.vpaddw(strips.Dot(row, strip), strips.Dot(row, strip), products);
        }
    }

    private static void LoadScale(PanelCode panel, AssemblerRegisterZMM target, int at)
    {
        var (code, constant) = (panel.Code, PanelCode.Free(3));
        code.vpmovzxbd(target, __xmmword_ptr[PanelCode.Scales + at]);
        code.vpslld(target, target, MantissaBits);
        panel.Fill(constant, LeastScale);
        code.vpmaxud(target, target, constant);
        panel.Fill(constant, OneHalf);
        code.vmulps(target, target, constant);
    }

    // Zeros commonly have the least scale, and arithmetic with numbers so small takes a hundred times as long: any scale does for them.
    private static bool IsZero(byte* nibbles) => (Vector128.Load(nibbles) & Vector128.Create((byte)0x77)) == Vector128<byte>.Zero;
}
