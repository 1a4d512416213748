using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Iced.Intel;
using Kvasir.Kernels.Matrix.Amx;
using Kvasir.Kernels.Matrix.Codecs;

namespace Kvasir.Kernels.Matrix.Packed;

/// <summary>
/// Thirty-two columns whose nibbles lie as in <see cref="Q4_0Panels"/> and name values of a table. With VPDPBUSD they are looked up as an offset more, which
/// makes them unsigned, and dot products begin with what makes up for that; with VPMADDUBSW they give their sign to the activations, as those of
/// <see cref="Q8_0Panels"/>.
/// </summary>
/// <param name="words">The values, each the offset more, as two words.</param>
/// <param name="offset">What is added to them.</param>
internal sealed unsafe class NibbleGroup((ulong Low, ulong High) words, int offset)
{
    /// <summary>Of codes of a panel.</summary>
    public const int Bytes = PanelFormat.Rows * Columns / 2;

    private const int Columns = Q8Block32Row.BlockElements;
    private const int Vectors = Columns / 8;
    private const int VectorBytes = 64;
    private const int LowNibbles = 0x0F0F0F0F;

    /// <summary>IQ4_NL's and IQ4_XS': -127 to 113.</summary>
    public static readonly NibbleGroup Iq4 = new(TableNibbles.Words(TableNibbles.Iq4, unchecked((sbyte)128)), 128);

    /// <summary>MXFP4's, doubled: -12 to 12.</summary>
    public static readonly NibbleGroup MXFP4 = new(TableNibbles.Words(MXFP4Codec.Values, 16), 16);

    /// <summary>Takes <see cref="PanelCode.Free"/> 0 and 1 for good.</summary>
    public void WriteConstants(PanelCode panel)
    {
        panel.Fill(PanelCode.Free(0), LowNibbles);
        panel.Fill(PanelCode.Free(1), words.Low, words.High);
    }

    /// <summary>
    /// dots += the group's values, the offset more than they are, x activations of 32 columns. Takes <see cref="PanelCode.Free"/> 2 and 4 to 7.
    /// </summary>
    /// <param name="at">Of the codes.</param>
    /// <param name="activations">Of the first column, by what is added to its place.</param>
    public static void AddDots(PanelCode panel, int at, Func<int, AssemblerMemoryOperand> activations)
    {
        var (code, nibbles, table, x) = (panel.Code, PanelCode.Free(0), PanelCode.Free(1), PanelCode.Free(2));
        var (codes0, codes1) = (PanelCode.Free(4), PanelCode.Free(5));
        var (packed0, packed1) = (PanelCode.Free(6), PanelCode.Free(7));
        for (var i = 0; i < Vectors; i++)
        {
            var (first, second) = (at + i * 2 * VectorBytes, at + (i * 2 + 1) * VectorBytes);
            panel.PrefetchCodes(first);
            panel.PrefetchCodes(second);
            code.vmovdqu64(packed0, AssemblerRegisters.__zmmword_ptr[PanelCode.Codes + first]);
            code.vmovdqu64(packed1, AssemblerRegisters.__zmmword_ptr[PanelCode.Codes + second]);
            LookUp();
            panel.AddDots((codes0, codes1), activations(i * 4), x);
            code.vpsrld(packed0, packed0, 4);
            code.vpsrld(packed1, packed1, 4);
            LookUp();
            panel.AddDots((codes0, codes1), activations(Columns / 2 + i * 4), x);
        }

        void LookUp()
        {
            code.vpandd(codes0, packed0, nibbles);
            code.vpandd(codes1, packed1, nibbles);
            code.vpshufb(codes0, table, codes0);
            code.vpshufb(codes1, table, codes1);
        }
    }

    /// <summary>dots of 32 bits = the values of a group of IQ4 x activations of 32 columns. Takes all four of <see cref="StripCode.Free"/>.</summary>
    public static void AddIq4Dots(StripCode strips, int at, Func<int, AssemblerMemoryOperand> activations)
    {
        var (code, rows) = (strips.Code, strips.ActivationRows);
        var (x, codes, sizes, products) = (strips.Free(0), strips.Free(1), strips.Free(2), strips.Free(3));
        for (var i = 0; i < 2 * Vectors; i++)
        {
            var (line, isHigh) = (at + i / 2 * 2 * VectorBytes, i % 2 > 0);
            var operand = activations(i / 2 * 4 + (isHigh ? Columns / 2 : 0));
            if (rows == 1)
                code.vpbroadcastd(x, operand);
            foreach (var strip in strips.HeldStrips)
            {
                strips.LoadNibbles(codes, line, strip, isHigh);
                code.vmovdqu(sizes, StripCode.IQ4Values);
                code.vpshufb(codes, sizes, codes);
                code.vpabsb(sizes, codes);
                for (var row = 0; row < rows; row++)
                {
                    if (rows > 1)
                        code.vpbroadcastd(x, operand + row * Columns);
                    code.vpsignb(products, x, codes);
                    code.vpmaddubsw(products, sizes, products);
                    strips.AddPairs(row, strip, products, first: i == 0);
                }
            }
        }
    }

    /// <summary>Sixteen rows of a group as bf16 numbers.</summary>
    public void Widen(byte* codes, int half, Vector512<float> scale, byte* pairs)
    {
        var nibbles = Vector512.Create(LowNibbles);
        var table = Vector512.Create(Vector256.Create(Vector128.Create(words.Low, words.High))).AsByte();
        var less = scale * -offset;
        for (var i = 0; i < Vectors; i++)
        {
            var packed = Vector512.Load((int*)(codes + (i * 2 + half) * VectorBytes));
            var first = Avx512BW.Shuffle(table, (packed & nibbles).AsByte()).AsInt32();
            var second = Avx512BW.Shuffle(table, (Vector512.ShiftRightLogical(packed, 4) & nibbles).AsByte()).AsInt32();
            Bf16Pairs.Store(first, scale, less, pairs + 2 * i * Bf16Pairs.PairBytes);
            Bf16Pairs.Store(second, scale, less, pairs + (Columns / 4 + 2 * i) * Bf16Pairs.PairBytes);
        }
    }
}
