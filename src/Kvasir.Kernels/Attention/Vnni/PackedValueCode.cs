using System.Runtime.InteropServices;
using Iced.Intel;
using Kvasir.Kernels.Assembly;
using static Iced.Intel.AssemblerRegisters;

namespace Kvasir.Kernels.Attention.Vnni;

/// <summary>
/// Assembles the weighted sums of 64 rows of few bits for 1 to 4 queries. Codes of four rows stand side by side (<see cref="PackedCodes{TBits}"/>), a lane of
/// them is a few elements, one for each shift, and VPDPBUSD multiplies them by four weights that hold the rows' scales already: all upper bytes, and
/// after the sums have been shifted all lower ones.
/// </summary>
internal sealed class PackedValueCode(int bits)
{
    private const int VectorBytes = 64;
    private readonly int _shifts = 8 / bits;

    /// <summary>By queries: functions of <see cref="PackedValueArguments"/>.</summary>
    public KernelTable Kernels => field ??= new KernelTable(ValueCode.MostQueries, Write);

    private static AssemblerRegister64 Codes => rsi;

    private static AssemblerRegister64 Weights => rcx;

    private static AssemblerRegister64 Units => r8;

    private static AssemblerRegister64 BlocksLeft => r9;

    private static AssemblerRegister64 Sums => r12;

    private static AssemblerRegister64 SumStride => r13;

    private static AssemblerRegisterZMM Mask => Zmm(31);

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
        code.mov(eax, (bits == 4 ? 0x0F : 0x03) * 0x01010101);
        code.vpbroadcastd(Mask, eax);

        code.Label(ref block);
        for (var i = 0; i < _shifts * queries; i++)
            code.vpxord(Zmm(i), Zmm(i), Zmm(i));
        WritePlane(code, queries, plane: 0);
        for (var i = 0; i < _shifts * queries; i++)
            code.vpslld(Zmm(i), Zmm(i), 8);
        WritePlane(code, queries, plane: 1);
        WriteSums(code, queries);
        code.add(Codes, Vectors * VectorBytes);
        code.add(Weights, QuantizedWeights.BlockBytes);
        code.add(Sums, _shifts * VectorBytes);
        code.dec(BlocksLeft);
        code.jne(block);
    }

    private void WritePlane(Assembler code, int queries, int plane)
    {
        var firstFree = _shifts * ValueCode.MostQueries;
        for (var i = 0; i < Vectors; i++)
        {
            // Two sets of registers in turn.
            var first = firstFree + (i % 2 * (_shifts + 1));
            code.vmovdqa32(Zmm(first), __zmmword_ptr[Codes + i * VectorBytes]);
            for (var shift = _shifts - 1; shift > 0; shift--)
            {
                code.vpsrld(Zmm(first + shift), Zmm(first), (byte)(shift * bits));
                code.vpandd(Zmm(first + shift), Zmm(first + shift), Mask);
            }

            code.vpandd(Zmm(first), Zmm(first), Mask);
            for (var q = 0; q < queries; q++)
            {
                var weight = Zmm(first + _shifts);
                WriteWeight(code, weight, Weights + (((2 * q) + plane) * RowWindow.BlockRows) + WeightAt(i));
                for (var shift = 0; shift < _shifts; shift++)
                    code.vpdpbusd(Zmm((q * _shifts) + shift), weight, Zmm(first + shift));
            }
        }
    }

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

    private void WriteSums(Assembler code, int queries)
    {
        var unit = Zmm(30);
        code.mov(rax, Sums);
        for (var q = 0; q < queries; q++)
        {
            code.vbroadcastss(unit, __dword_ptr[Units + q * sizeof(float)]);
            for (var shift = 0; shift < _shifts; shift++)
            {
                var (sum, own) = (__zmmword_ptr[rax + shift * VectorBytes], Zmm((q * _shifts) + shift));
                code.vcvtdq2ps(own, own);
                code.vfmadd213ps(own, unit, sum);
                code.vmovups(sum, own);
            }

            code.add(rax, SumStride);
        }
    }

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

    /// <summary>[queries, blocks, shifts, 16], added to.</summary>
    public float* Sums;

    public long SumStrideBytes;

    /// <summary>Of 32 elements; at least 1.</summary>
    public long Blocks;
}
