using System.Runtime.InteropServices;
using Iced.Intel;
using Kvasir.Kernels.Assembly;
using static Iced.Intel.AssemblerRegisters;

namespace Kvasir.Kernels.Attention.Vnni;

/// <summary>
/// Assembles the scores of 32 or 64 q8 rows for 1 to 4 queries. A lane is a row. A block of 32 rows is transposed into sixteen vectors of four
/// elements a lane, which meet the queries' upper bytes, and after the sums have been shifted, their lower ones: VPDPBUSD multiplies bytes
/// without sign by bytes with one, so the keys are raised by 128 for the signed upper bytes (sums begin at what that adds, negated) and stay
/// as they are for the lower ones. A broadcast serves two products, since loads are what such a loop waits for otherwise.
/// </summary>
internal static class ScoreCode
{
    public const int MostQueries = 4;

    /// <summary>Rows of one turn.</summary>
    public const int TurnRows = 2 * HalfRows;

    internal const int Columns = 8;
    private const int HalfRows = 16;
    private const int VectorBytes = 64;
    private const int FirstDot = 2 * Columns;
    internal const int FirstSpare = FirstDot + 2 * MostQueries;

    // Of the rows that a block's turn asks for, in heads of 64 or 128 elements: scales of keys and values together take an eighth of the keys' codes.
    private const int ScaleLines = 2;
    private const int ScaleRowBytes = RowWindow.BlockRows * sizeof(float);

    /// <summary>By queries: functions of <see cref="ScoreArguments"/>.</summary>
    public static KernelTable Kernels { get; } = new(MostQueries, Write);

    private static AssemblerRegister64 Rows => rsi;

    private static AssemblerRegister64 BlockStart => rdx;

    private static AssemblerRegister64 Queries => rcx;

    private static AssemblerRegister64 Scales => r8;

    private static AssemblerRegister64 BlocksLeft => r9;

    // Bytes from the first address to ask for.
    private static AssemblerRegister64 AheadSlot => r10;

    internal static AssemblerRegister64 Ahead => r11;

    private static AssemblerRegister64 ScalesAhead => rbp;

    private static AssemblerRegister64 Sums => r12;

    private static AssemblerRegister64 TurnScales => r13;

    private static AssemblerRegister64 Scores => r14;

    private static AssemblerRegister64 TurnsLeft => r15;

    private static void Write(Assembler code, int queries)
    {
        var (turn, block) = (code.CreateLabel(), code.CreateLabel());
        code.mov(Rows, Argument(nameof(ScoreArguments.Rows)));
        code.xor(r10d, r10d);
        code.mov(TurnScales, Argument(nameof(ScoreArguments.Scales)));
        code.mov(Sums, Argument(nameof(ScoreArguments.Sums)));
        code.mov(Scores, Argument(nameof(ScoreArguments.Scores)));
        code.mov(TurnsLeft, Argument(nameof(ScoreArguments.Turns)));

        code.Label(ref turn);
        code.mov(Queries, Argument(nameof(ScoreArguments.Queries)));
        code.mov(BlocksLeft, Argument(nameof(ScoreArguments.Blocks)));
        code.mov(Scales, TurnScales);
        code.xor(edx, edx);
        code.vpxor(xmm0, xmm0, xmm0);
        for (var i = 0; i < 2 * queries; i++)
            code.vmovaps(__zmmword_ptr[Sums + i * VectorBytes], zmm0);

        code.Label(ref block);
        WriteBlock(code, queries);
        code.add(BlockStart, RowBlocks.Elements);
        code.add(Scales, ScaleRowBytes);
        code.add(Queries, QuantizedQueries.BlockBytes);
        code.dec(BlocksLeft);
        code.jne(block);

        WriteScores(code, queries);
        code.add(Rows, TurnRows * sizeof(long));
        code.add(TurnScales, TurnRows * sizeof(float));
        code.add(Scores, TurnRows * sizeof(float));
        code.dec(TurnsLeft);
        code.jne(turn);
    }

    private static void WriteBlock(Assembler code, int queries)
    {
        var (bias, x) = (Zmm(FirstSpare), Zmm(FirstSpare + 1));
        code.mov(Ahead, Argument(nameof(ScoreArguments.Ahead)));
        code.mov(ScalesAhead, Argument(nameof(ScoreArguments.ScalesAhead)));
        code.mov(Ahead, __qword_ptr[Ahead + AheadSlot]);
        code.mov(ScalesAhead, __qword_ptr[ScalesAhead + AheadSlot]);
        code.add(AheadSlot, Argument(nameof(ScoreArguments.AheadStepBytes)));
        WriteTranspose(code, 0);
        WriteTranspose(code, 1);
        code.mov(eax, 0x80808080);
        code.vpbroadcastd(bias, eax);
        for (var q = 0; q < queries; q++)
        {
            code.vpbroadcastd(Dot(q, 0), __dword_ptr[Queries + QuantizedQueries.StartsAt + q * sizeof(int)]);
            code.vmovdqa64(Dot(q, 1), Dot(q, 0));
        }

        for (var c = 0; c < Columns; c++)
        {
            var (first, second) = (Zmm(FirstSpare + 2 + c % 2 * 2), Zmm(FirstSpare + 3 + c % 2 * 2));
            WriteAsk(code, step: 2 * Columns + c);
            code.vpxord(first, Column(0, c), bias);
            code.vpxord(second, Column(1, c), bias);
            for (var q = 0; q < queries; q++)
            {
                code.vpbroadcastd(x, __dword_ptr[Queries + q * RowBlocks.Elements + c * sizeof(int)]);
                code.vpdpbusd(Dot(q, 0), first, x);
                code.vpdpbusd(Dot(q, 1), second, x);
            }
        }

        for (var i = 0; i < 2 * queries; i++)
            code.vpslld(Zmm(FirstDot + i), Zmm(FirstDot + i), 8);
        for (var c = 0; c < Columns; c++)
        {
            WriteAsk(code, step: 3 * Columns + c);
            for (var q = 0; q < queries; q++)
            {
                code.vpbroadcastd(x, __dword_ptr[Queries + QuantizedQueries.LowerAt + q * RowBlocks.Elements + c * sizeof(int)]);
                code.vpdpbusd(Dot(q, 0), x, Column(0, c));
                code.vpdpbusd(Dot(q, 1), x, Column(1, c));
            }
        }

        WriteSums(code, queries);
    }

    private static void WriteTranspose(Assembler code, int half)
    {
        for (var i = 0; i < Columns; i++)
        {
            var row = FirstRow(half, i);
            WriteAsk(code, step: half * Columns + i);
            code.mov(rax, __qword_ptr[Rows + row * sizeof(long)]);
            code.mov(rbx, __qword_ptr[Rows + (row + 4) * sizeof(long)]);
            WritePair(code, i, __ymmword_ptr[rax + BlockStart], __ymmword_ptr[rbx + BlockStart]);
        }

        WriteTurned(code, half);
    }

    /// <summary>The first of the two rows that column <paramref name="column"/> begins as; the other one lies four behind it.</summary>
    internal static int FirstRow(int half, int column) => half * HalfRows + (column < 4 ? column : column + 4);

    /// <summary>32 bytes of each of two rows, as <see cref="WriteTurned"/> finds them.</summary>
    internal static void WritePair(Assembler code, int column, AssemblerMemoryOperand first, AssemblerMemoryOperand second)
    {
        code.vmovdqu32(Ymm(FirstDot + column), first);
        code.vinserti64x4(Zmm(FirstDot + column), Zmm(FirstDot + column), second, 1);
    }

    /// <summary>
    /// Columns of 16 rows: of the 32 bytes of each, every four become a vector. Lanes of 128 bits hold half a block of a row; four rows are turned within
    /// them, then the lanes are sorted.
    /// </summary>
    internal static void WriteTurned(Assembler code, int half)
    {
        for (var i = 0; i < Columns; i += 4)
        {
            var (a, b) = (FirstDot + i, FirstSpare + i);
            code.vpunpckldq(Zmm(b), Zmm(a), Zmm(a + 1));
            code.vpunpckhdq(Zmm(b + 1), Zmm(a), Zmm(a + 1));
            code.vpunpckldq(Zmm(b + 2), Zmm(a + 2), Zmm(a + 3));
            code.vpunpckhdq(Zmm(b + 3), Zmm(a + 2), Zmm(a + 3));
            code.vpunpcklqdq(Zmm(a), Zmm(b), Zmm(b + 2));
            code.vpunpckhqdq(Zmm(a + 1), Zmm(b), Zmm(b + 2));
            code.vpunpcklqdq(Zmm(a + 2), Zmm(b + 1), Zmm(b + 3));
            code.vpunpckhqdq(Zmm(a + 3), Zmm(b + 1), Zmm(b + 3));
        }

        for (var c = 0; c < 4; c++)
        {
            code.vshufi32x4(Column(half, c), Zmm(FirstDot + c), Zmm(FirstDot + c + 4), 0b10_00_10_00);
            code.vshufi32x4(Column(half, c + 4), Zmm(FirstDot + c), Zmm(FirstDot + c + 4), 0b11_01_11_01);
        }
    }

    /// <summary>A line at every other step: memory is slower to answer them in bursts.</summary>
    internal static void WriteAsk(Assembler code, int step)
    {
        if (step % 2 == 0)
            code.prefetcht1(__[Ahead + step / 2 * VectorBytes]);
    }

    private static void WriteSums(Assembler code, int queries)
    {
        var scales = (Zmm(FirstSpare + 6), Zmm(FirstSpare + 7));
        code.vmovups(scales.Item1, __zmmword_ptr[Scales]);
        code.vmovups(scales.Item2, __zmmword_ptr[Scales + VectorBytes]);
        for (var line = 0; line < ScaleLines; line++)
            code.prefetcht1(__[ScalesAhead + line * VectorBytes]);
        for (var q = 0; q < queries; q++)
        {
            for (var half = 0; half < 2; half++)
            {
                var sum = __zmmword_ptr[Sums + (2 * q + half) * VectorBytes];
                code.vcvtdq2ps(Dot(q, half), Dot(q, half));
                code.vfmadd213ps(Dot(q, half), half == 0 ? scales.Item1 : scales.Item2, sum);
                code.vmovaps(sum, Dot(q, half));
            }
        }
    }

    // Behind the last block stand the scales of the queries.
    private static void WriteScores(Assembler code, int queries)
    {
        code.mov(rax, Scores);
        for (var q = 0; q < queries; q++)
        {
            code.vbroadcastss(zmm0, __dword_ptr[Queries + q * sizeof(float)]);
            for (var half = 0; half < 2; half++)
            {
                code.vmulps(zmm1, zmm0, __zmmword_ptr[Sums + (2 * q + half) * VectorBytes]);
                code.vmovups(__zmmword_ptr[rax + half * VectorBytes], zmm1);
            }

            code.add(rax, Argument(nameof(ScoreArguments.ScoreStrideBytes)));
        }
    }

    private static AssemblerMemoryOperand Argument(string field) =>
        __qword_ptr[AssembledKernel.Arguments + (int)Marshal.OffsetOf<ScoreArguments>(field)];

    internal static AssemblerRegisterZMM Column(int half, int column) => Zmm(half * Columns + column);

    internal static AssemblerRegisterZMM Dot(int query, int half) => Zmm(FirstDot + 2 * query + half);

    private static AssemblerRegisterZMM Zmm(int number) => new(Register.ZMM0 + number);

    private static AssemblerRegisterYMM Ymm(int number) => new(Register.YMM0 + number);
}
