using System.Runtime.InteropServices;
using Iced.Intel;
using Kvasir.Kernels.Assembly;
using static Iced.Intel.AssemblerRegisters;

namespace Kvasir.Kernels.Attention.Vnni;

/// <summary>
/// Assembles the weighted sums of up to 64 q8 rows for 1 to 4 queries. A lane is an element: four rows are interleaved byte by byte, and
/// VPDPBUSD multiplies them by four weights that hold the row's scale already. Weights are 16-bit numbers without sign, in two bytes; upper and
/// lower bytes have sums of their own, which are joined when the last row of a block of 32 elements has passed.
/// </summary>
internal static class ValueCode
{
    public const int MostQueries = 4;

    /// <summary>Rows of one turn.</summary>
    public const int TurnRows = 16;

    /// <summary>Lines that every turn asks for.</summary>
    private const int LinesAhead = 8;

    private const int VectorBytes = 64;
    private const int FirstFree = 4 * MostQueries;
    private const int GroupRows = 4;
    private const int Groups = TurnRows / GroupRows;

    /// <summary>By queries: functions of <see cref="ValueArguments"/>.</summary>
    public static KernelTable Kernels { get; } = new(MostQueries, Write);

    private static AssemblerRegister64 Rows => rsi;

    private static AssemblerRegister64 BlockStart => rdx;

    private static AssemblerRegister64 Weights => rcx;

    private static AssemblerRegister64 Units => r8;

    private static AssemblerRegister64 BlocksLeft => r9;

    // Bytes from the first address to ask for.
    private static AssemblerRegister64 AheadSlot => r10;

    private static AssemblerRegister64 Ahead => r11;

    private static AssemblerRegister64 Outputs => r12;

    private static AssemblerRegister64 TurnWeights => r13;

    private static AssemblerRegister64 TurnsLeft => r14;

    private static AssemblerRegister64 OutputStride => r15;

    private static AssemblerRegisterZMM PairOrder => Zmm(FirstFree);

    private static void Write(Assembler code, int queries)
    {
        var (block, turn) = (code.CreateLabel(), code.CreateLabel());
        code.xor(r10d, r10d);
        code.mov(Weights, Argument(nameof(ValueArguments.Weights)));
        code.mov(Units, Argument(nameof(ValueArguments.Units)));
        code.mov(Outputs, Argument(nameof(ValueArguments.Outputs)));
        code.mov(OutputStride, Argument(nameof(ValueArguments.OutputStrideBytes)));
        code.mov(BlocksLeft, Argument(nameof(ValueArguments.Blocks)));
        code.mov(rax, Argument(nameof(ValueArguments.PairOrder)));
        code.vmovdqu32(PairOrder, __zmmword_ptr[rax]);
        code.xor(edx, edx);

        code.Label(ref block);
        code.mov(Rows, Argument(nameof(ValueArguments.Rows)));
        code.mov(TurnsLeft, Argument(nameof(ValueArguments.Turns)));
        code.mov(TurnWeights, Weights);
        for (var i = 0; i < 4 * queries; i++)
            code.vpxor(Xmm(i), Xmm(i), Xmm(i));

        code.Label(ref turn);
        WriteTurn(code, queries);
        code.add(Rows, TurnRows * sizeof(long));
        code.add(TurnWeights, sizeof(int));
        code.dec(TurnsLeft);
        code.jne(turn);

        WriteOutputs(code, queries);
        code.add(BlockStart, RowBlocks.Elements);
        code.add(Weights, QuantizedWeights.BlockBytes);
        code.add(Outputs, RowBlocks.Elements * sizeof(float));
        code.dec(BlocksLeft);
        code.jne(block);
    }

    private static void WriteTurn(Assembler code, int queries)
    {
        code.mov(Ahead, Argument(nameof(ValueArguments.Ahead)));
        code.mov(rax, Argument(nameof(ValueArguments.ScalesAhead)));
        code.mov(Ahead, __qword_ptr[Ahead + AheadSlot]);
        code.mov(rax, __qword_ptr[rax + AheadSlot]);
        code.prefetcht1(__[rax]);
        code.add(AheadSlot, Argument(nameof(ValueArguments.AheadStepBytes)));
        for (var group = 0; group < Groups; group++)
        {
            for (var line = group * LinesAhead / Groups; line < (group + 1) * LinesAhead / Groups; line++)
                code.prefetcht1(__[Ahead + line * VectorBytes]);
            WriteGroup(code, queries, group);
        }
    }

    // Two rows stand side by side in a vector and become pairs of bytes; pairs of two vectors become fours.
    private static void WriteGroup(Assembler code, int queries, int group)
    {
        var (first, second) = (Zmm(FirstFree + 3), Zmm(FirstFree + 4));
        for (var pair = 0; pair < 2; pair++)
        {
            var (number, row) = (FirstFree + 1 + pair, group * GroupRows + 2 * pair);
            code.mov(rax, __qword_ptr[Rows + row * sizeof(long)]);
            code.mov(rbx, __qword_ptr[Rows + (row + 1) * sizeof(long)]);
            code.vmovdqu32(Ymm(number), __ymmword_ptr[rax + BlockStart]);
            code.vinserti64x4(Zmm(number), Zmm(number), __ymmword_ptr[rbx + BlockStart], 1);
            code.vpermb(Zmm(number), PairOrder, Zmm(number));
        }

        code.vpunpcklwd(first, Zmm(FirstFree + 1), Zmm(FirstFree + 2));
        code.vpunpckhwd(second, Zmm(FirstFree + 1), Zmm(FirstFree + 2));
        for (var part = 0; part < 2 * queries; part++)
        {
            var weights = Zmm(FirstFree + 5 + part % 4);
            code.vpbroadcastd(weights, __dword_ptr[TurnWeights + part * VectorBytes + group * 4 * sizeof(int)]);
            code.vpdpbusd(Zmm(2 * part), weights, first);
            code.vpdpbusd(Zmm(2 * part + 1), weights, second);
        }
    }

    private static void WriteOutputs(Assembler code, int queries)
    {
        var unit = Zmm(FirstFree + 1);
        code.mov(rax, Outputs);
        for (var q = 0; q < queries; q++)
        {
            code.vbroadcastss(unit, __dword_ptr[Units + q * sizeof(float)]);
            for (var half = 0; half < 2; half++)
            {
                var (upper, lower) = (Zmm(4 * q + half), Zmm(4 * q + 2 + half));
                var output = __zmmword_ptr[rax + half * VectorBytes];
                code.vpslld(upper, upper, 8);
                code.vpaddd(upper, upper, lower);
                code.vcvtdq2ps(upper, upper);
                code.vfmadd213ps(upper, unit, output);
                code.vmovups(output, upper);
            }

            code.add(rax, OutputStride);
        }
    }

    private static AssemblerMemoryOperand Argument(string field) =>
        __qword_ptr[AssembledKernel.Arguments + (int)Marshal.OffsetOf<ValueArguments>(field)];

    private static AssemblerRegisterZMM Zmm(int number) => new(Register.ZMM0 + number);

    private static AssemblerRegisterYMM Ymm(int number) => new(Register.YMM0 + number);

    private static AssemblerRegisterXMM Xmm(int number) => new(Register.XMM0 + number);
}
