using System.Runtime.InteropServices;
using Iced.Intel;
using Kvasir.Kernels.Assembly;
using static Iced.Intel.AssemblerRegisters;

namespace Kvasir.Kernels.Attention.Vnni;

/// <summary>
/// Assembles the weighted sums of 64 rows of few bits for 1 to 4 queries. Codes of four rows stand side by side (<see cref="PackedCodes{TBits}"/>), a lane of
/// them is a few elements, one for each shift, and VPDPBUSD multiplies them by upper and lower bytes of four weights that hold the rows' scales already.
/// </summary>
internal sealed class PackedValueCode(int bits)
{
    private const int VectorBytes = 64;
    private const int ShiftsTogether = 2;
    private const int SumsOfQuery = 2 * ShiftsTogether;
    private const int FirstFree = SumsOfQuery * ValueCode.MostQueries;
    private readonly int _shifts = 8 / bits;

    /// <summary>By queries: functions of <see cref="PackedValueArguments"/>.</summary>
    public KernelTable Kernels => field ??= new KernelTable(ValueCode.MostQueries, Write);

    private static AssemblerRegister64 Codes => rsi;

    private static AssemblerRegister64 Weights => rcx;

    private static AssemblerRegister64 Units => r8;

    private static AssemblerRegister64 BlocksLeft => r9;

    private static AssemblerRegister64 Sums => r12;

    private static AssemblerRegister64 SumStride => r13;

    // Vectors of codes in a block of elements.
    private int Vectors => RowWindow.BlockRows * RowBlocks.Elements * bits / 8 / VectorBytes;

    private void Write(Assembler code, int queries)
    {
        var block = code.CreateLabel();
        code.mov(Codes, Argument(nameof(PackedValueArguments.Codes)));
        code.mov(Weights, Argument(nameof(PackedValueArguments.Weights)));
        code.mov(Units, Argument(nameof(PackedValueArguments.Units)));
        code.mov(BlocksLeft, Argument(nameof(PackedValueArguments.Blocks)));
        code.mov(Sums, Argument(nameof(PackedValueArguments.Sums)));
        code.mov(SumStride, Argument(nameof(PackedValueArguments.SumStrideBytes)));
        for (var shift = 0; shift < _shifts; shift++)
        {
            code.mov(eax, (((1 << bits) - 1) << PlaceOf(shift)) * 0x01010101);
            code.vpbroadcastd(Mask(shift), eax);
        }

        code.Label(ref block);
        for (var first = 0; first < _shifts; first += ShiftsTogether)
        {
            for (var i = 0; i < SumsOfQuery * queries; i++)
                code.vpxord(Zmm(i), Zmm(i), Zmm(i));
            WriteProducts(code, queries, first);
            WriteSums(code, queries, first);
        }

        code.add(Codes, Vectors * VectorBytes);
        code.add(Weights, QuantizedWeights.BlockBytes);
        code.add(Sums, _shifts * VectorBytes);
        code.dec(BlocksLeft);
        code.jne(block);
    }

    /// <summary>What products of codes that stand so far up in their bytes are multiplied by, since they are not always shifted down.</summary>
    public static int Factor(int bits, int shift) => 1 << PlaceOf(bits, shift);

    // Two shifts of upper and lower bytes are as many sums as products under way, so that codes are taken apart once.
    private void WriteProducts(Assembler code, int queries, int firstShift)
    {
        for (var i = 0; i < Vectors; i++)
        {
            // Two sets of registers in turn.
            var codes = FirstFree + (i % 2 * ShiftsTogether);
            var at = __zmmword_ptr[Codes + i * VectorBytes];
            for (var next = 0; next < ShiftsTogether; next++)
                WriteCodes(code, Zmm(codes + next), at, firstShift + next);
            for (var q = 0; q < queries; q++)
            {
                for (var plane = 0; plane < 2; plane++)
                {
                    var weight = Zmm(FirstFree + (2 * ShiftsTogether) + plane);
                    WriteWeight(code, weight, Weights + (((2 * q) + plane) * RowWindow.BlockRows) + WeightAt(i));
                    for (var next = 0; next < ShiftsTogether; next++)
                        code.vpdpbusd(Sum(q, plane, next), weight, Zmm(codes + next));
                }
            }
        }
    }

    // Bytes of codes have a sign to the product: what reaches its place is shifted down.
    private void WriteCodes(Assembler code, AssemblerRegisterZMM codes, AssemblerMemoryOperand at, int shift)
    {
        if (PlaceOf(shift) == shift * bits)
        {
            code.vpandd(codes, Mask(shift), at);
            return;
        }

        code.vpsrld(codes, at, (byte)(shift * bits));
        code.vpandd(codes, codes, Mask(shift));
    }

    private int PlaceOf(int shift) => PlaceOf(bits, shift);

    private static int PlaceOf(int bits, int shift) => (shift + 1) * bits < 8 ? shift * bits : 0;

    // Of four rows in 4 bits; of four and the four that are 16 rows on in 2 bits.
    private void WriteWeight(Assembler code, AssemblerRegisterZMM weight, AssemblerMemoryOperand at)
    {
        if (bits == 4)
            code.vpbroadcastd(weight, __dword_ptr[at]);
        else
            code.vpbroadcastq(weight, __qword_ptr[at]);
    }

    // Rows 16 j + 4 k stand at 16 k + 4 j.
    private int WeightAt(int vector) => bits == 4 ? (16 * (vector % 4)) + (4 * (vector / 4)) : (16 * (vector % 4)) + (8 * (vector / 4));

    private static void WriteSums(Assembler code, int queries, int firstShift)
    {
        var unit = Zmm(FirstFree);
        code.mov(rax, Sums);
        for (var q = 0; q < queries; q++)
        {
            code.vbroadcastss(unit, __dword_ptr[Units + q * sizeof(float)]);
            for (var next = 0; next < ShiftsTogether; next++)
            {
                var (sum, own) = (__zmmword_ptr[rax + (firstShift + next) * VectorBytes], Sum(q, 0, next));
                code.vpslld(own, own, 8);
                code.vpaddd(own, own, Sum(q, 1, next));
                code.vcvtdq2ps(own, own);
                code.vfmadd213ps(own, unit, sum);
                code.vmovups(sum, own);
            }

            code.add(rax, SumStride);
        }
    }

    private static AssemblerRegisterZMM Sum(int query, int plane, int shift) => Zmm((SumsOfQuery * query) + (ShiftsTogether * plane) + shift);

    private static AssemblerRegisterZMM Mask(int shift) => Zmm(31 - shift);

    private static AssemblerMemoryOperand Argument(string field) =>
        __qword_ptr[AssembledKernel.Arguments + (int)Marshal.OffsetOf<PackedValueArguments>(field)];

    private static AssemblerRegisterZMM Zmm(int number) => new(Register.ZMM0 + number);
}

/// <summary>What the kernel of <see cref="PackedValueCode"/> is called with.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct PackedValueArguments
{
    /// <summary>From <see cref="PackedCodes{TBits}"/>.</summary>
    public byte* Codes;

    /// <summary>From <see cref="QuantizedWeights"/>.</summary>
    public byte* Weights;

    /// <summary>[4]: what a code times a unit of each query's weights is worth.</summary>
    public float* Units;

    /// <summary>[queries, blocks, shifts, 16], added to: times <see cref="PackedValueCode.Factor"/>.</summary>
    public float* Sums;

    public long SumStrideBytes;

    /// <summary>Of 32 elements; at least 1.</summary>
    public long Blocks;
}
