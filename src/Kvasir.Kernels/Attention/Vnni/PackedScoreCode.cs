using System.Runtime.InteropServices;
using Iced.Intel;
using Kvasir.Kernels.Assembly;
using static Iced.Intel.AssemblerRegisters;

namespace Kvasir.Kernels.Attention.Vnni;

/// <summary>
/// Assembles the scores of a page of 32 rows of few bits for 1 to 4 queries. A lane is a row: 32 bytes of each row are transposed as in <see
/// cref="ScoreCode"/>, a shift and a mask leave four codes of a lane, and VPDPBUSD multiplies them by four bytes of a query: upper and lower ones have sums of
/// their own. Codes have no sign and are so small that they pass for numbers with one, so that nothing is raised or taken off.
/// </summary>
internal sealed class PackedScoreCode(int bits)
{
    /// <summary>Rows of a page.</summary>
    public const int PageRows = ScoreCode.TurnRows;

    /// <summary>Bytes of a row that are one turn.</summary>
    public const int TurnBytes = RowBlocks.Elements;

    /// <summary>Bytes of <see cref="PackedScoreArguments.Sums"/>: sums of four queries, and the columns of a turn.</summary>
    public const int SumBytes = 2 * (ScoreCode.MostQueries + ScoreCode.Columns) * VectorBytes;

    private const int VectorBytes = 64;
    private const int RowsTogether = 8;
    private const int LinesAhead = PageRows * TurnBytes / VectorBytes;
    private readonly int _shifts = 8 / bits;

    /// <summary>By queries: functions of <see cref="PackedScoreArguments"/>.</summary>
    public KernelTable Kernels => field ??= new KernelTable(ScoreCode.MostQueries, Write);

    // The first row of the page, from the bytes of a turn on, and once, three, five and seven times what lies between two rows.
    private static AssemblerRegister64 FirstRow => rsi;

    private static AssemblerRegister64 Once => rdx;

    private static AssemblerRegister64 Thrice => r8;

    private static AssemblerRegister64 FiveTimes => r10;

    private static AssemblerRegister64 SevenTimes => r13;

    // The first of eight rows.
    private static AssemblerRegister64 EighthRow => rbx;

    private static AssemblerRegister64 Queries => rcx;

    private static AssemblerRegister64 TurnsLeft => r9;

    private static AssemblerRegister64 Sums => r12;

    private static AssemblerRegister64 Scores => r14;

    private static AssemblerRegisterZMM Mask => Zmm(ScoreCode.FirstSpare);

    // Bytes of a plane of a query in a turn.
    private int PlaneBytes => ScoreCode.Columns * _shifts * sizeof(int);

    private void Write(Assembler code, int queries)
    {
        var turn = code.CreateLabel();
        code.mov(FirstRow, Argument(nameof(PackedScoreArguments.FirstRow)));
        code.mov(Once, Argument(nameof(PackedScoreArguments.StrideBytes)));
        code.lea(Thrice, __[Once + Once * 2]);
        code.lea(FiveTimes, __[Once + Once * 4]);
        code.lea(SevenTimes, __[Thrice + Once * 4]);
        code.mov(ScoreCode.Ahead, Argument(nameof(PackedScoreArguments.Ahead)));
        code.mov(Queries, Argument(nameof(PackedScoreArguments.Queries)));
        code.mov(TurnsLeft, Argument(nameof(PackedScoreArguments.Turns)));
        code.mov(Sums, Argument(nameof(PackedScoreArguments.Sums)));
        code.mov(Scores, Argument(nameof(PackedScoreArguments.Scores)));
        code.vpxor(xmm0, xmm0, xmm0);
        for (var i = 0; i < 2 * queries; i++)
            code.vmovdqa32(__zmmword_ptr[Sums + i * VectorBytes], zmm0);

        code.Label(ref turn);
        WriteTurn(code, queries);
        code.add(FirstRow, TurnBytes);
        code.add(ScoreCode.Ahead, LinesAhead * VectorBytes);
        code.add(Queries, 2 * ScoreCode.MostQueries * PlaneBytes);
        code.dec(TurnsLeft);
        code.jne(turn);
        WriteScores(code, queries);
    }

    private void WriteTurn(Assembler code, int queries)
    {
        code.mov(EighthRow, FirstRow);
        for (var half = 0; half < 2; half++)
        {
            for (var column = 0; column < ScoreCode.Columns; column++)
            {
                var row = ScoreCode.FirstRow(half, column);
                ScoreCode.WriteAsk(code, half * ScoreCode.Columns + column);
                ScoreCode.WritePair(code, column, Row(row % RowsTogether), Row(row % RowsTogether + 4));
                if (row % RowsTogether == 3)
                    code.lea(EighthRow, __[EighthRow + Once * RowsTogether]);
            }

            ScoreCode.WriteTurned(code, half);
        }

        WriteProducts(code, queries);
        for (var i = 0; i < 2 * queries; i++)
        {
            var (sum, upper) = (__zmmword_ptr[Sums + i * VectorBytes], ScoreCode.Dot(i / 2, i % 2));
            code.vpslld(upper, upper, 8);
            code.vpaddd(upper, upper, Lower(i / 2, i % 2));
            code.vpaddd(upper, upper, sum);
            code.vmovdqa32(sum, upper);
        }
    }

    // One of eight that follow one another.
    private static AssemblerMemoryOperand Row(int number) => number switch
    {
        0 => __ymmword_ptr[EighthRow],
        1 => __ymmword_ptr[EighthRow + Once],
        2 => __ymmword_ptr[EighthRow + Once * 2],
        3 => __ymmword_ptr[EighthRow + Thrice],
        4 => __ymmword_ptr[EighthRow + Once * 4],
        5 => __ymmword_ptr[EighthRow + FiveTimes],
        6 => __ymmword_ptr[EighthRow + Thrice * 2],
        _ => __ymmword_ptr[EighthRow + SevenTimes],
    };

    // Both planes of a query meet codes while they are in registers: columns lie in memory meanwhile, so that there are as many sums as products under way.
    private void WriteProducts(Assembler code, int queries)
    {
        for (var half = 0; half < 2; half++)
        {
            for (var column = 0; column < ScoreCode.Columns; column++)
                code.vmovdqa32(ColumnAt(half, column), ScoreCode.Column(half, column));
        }

        code.mov(eax, (bits == 4 ? 0x0F : 0x03) * 0x01010101);
        code.vpbroadcastd(Mask, eax);
        for (var i = 0; i < 2 * queries; i++)
        {
            code.vpxord(ScoreCode.Dot(i / 2, i % 2), ScoreCode.Dot(i / 2, i % 2), ScoreCode.Dot(i / 2, i % 2));
            code.vpxord(Lower(i / 2, i % 2), Lower(i / 2, i % 2), Lower(i / 2, i % 2));
        }

        for (var i = 0; i < ScoreCode.Columns * _shifts; i++)
        {
            var (column, shift) = (i / _shifts, i % _shifts);
            if (shift % (_shifts / 2) == 0)
                ScoreCode.WriteAsk(code, (2 * ScoreCode.Columns) + (2 * column) + (shift * 2 / _shifts));
            // Four registers in turn.
            var (first, second) = (Zmm(ScoreCode.FirstSpare + 4 + i % 2 * 2), Zmm(ScoreCode.FirstSpare + 5 + i % 2 * 2));
            WriteCodes(code, first, ColumnAt(0, column), shift * bits);
            WriteCodes(code, second, ColumnAt(1, column), shift * bits);
            for (var q = 0; q < queries; q++)
            {
                // Upper bytes of a query have a sign, lower ones have none.
                var (upper, lower) = (Zmm(ScoreCode.FirstSpare + 1), Zmm(ScoreCode.FirstSpare + 2));
                code.vpbroadcastd(upper, __dword_ptr[Queries + q * PlaneBytes + i * sizeof(int)]);
                code.vpdpbusd(ScoreCode.Dot(q, 0), first, upper);
                code.vpdpbusd(ScoreCode.Dot(q, 1), second, upper);
                code.vpbroadcastd(lower, __dword_ptr[Queries + (ScoreCode.MostQueries + q) * PlaneBytes + i * sizeof(int)]);
                code.vpdpbusd(Lower(q, 0), lower, first);
                code.vpdpbusd(Lower(q, 1), lower, second);
            }
        }
    }

    private static void WriteCodes(Assembler code, AssemblerRegisterZMM codes, AssemblerMemoryOperand column, int shift)
    {
        if (shift > 0)
        {
            code.vpsrld(codes, column, (byte)shift);
            code.vpandd(codes, codes, Mask);
        }
        else
        {
            code.vpandd(codes, Mask, column);
        }
    }

    private static AssemblerMemoryOperand ColumnAt(int half, int column) =>
        __zmmword_ptr[Sums + ((2 * ScoreCode.MostQueries) + (2 * column) + half) * VectorBytes];

    // Where columns were.
    private static AssemblerRegisterZMM Lower(int query, int half) => ScoreCode.Column(0, (2 * query) + half);

    private static void WriteScores(Assembler code, int queries)
    {
        code.mov(rax, Argument(nameof(PackedScoreArguments.Units)));
        code.mov(rbx, Argument(nameof(PackedScoreArguments.Biases)));
        for (var q = 0; q < queries; q++)
        {
            code.vbroadcastss(zmm0, __dword_ptr[rax + q * sizeof(float)]);
            code.vbroadcastss(zmm1, __dword_ptr[rbx + q * sizeof(float)]);
            for (var half = 0; half < 2; half++)
            {
                code.vcvtdq2ps(zmm2, ScoreCode.Dot(q, half));
                code.vfmadd213ps(zmm2, zmm0, zmm1);
                code.vmovups(__zmmword_ptr[Scores + half * VectorBytes], zmm2);
            }

            code.add(Scores, Argument(nameof(PackedScoreArguments.ScoreStrideBytes)));
        }
    }

    private static AssemblerMemoryOperand Argument(string field) =>
        __qword_ptr[AssembledKernel.Arguments + (int)Marshal.OffsetOf<PackedScoreArguments>(field)];

    private static AssemblerRegisterZMM Zmm(int number) => new(Register.ZMM0 + number);
}

/// <summary>What the kernel of <see cref="PackedScoreCode"/> is called with.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct PackedScoreArguments
{
    /// <summary>The codes of the first of 32 rows.</summary>
    public byte* FirstRow;

    /// <summary>From one row to the next.</summary>
    public long StrideBytes;

    /// <summary>As many bytes as the rows have, to be asked for.</summary>
    public byte* Ahead;

    /// <summary>From <see cref="PackedQueries{TBits}"/>.</summary>
    public byte* Queries;

    /// <summary>Scratch of <see cref="PackedScoreCode.SumBytes"/>, at a line of memory.</summary>
    public int* Sums;

    /// <summary>[4]: what 1 of a query's sums stands for.</summary>
    public float* Units;

    /// <summary>[4]: added to every score.</summary>
    public float* Biases;

    /// <summary>The first score of the first query.</summary>
    public float* Scores;

    public long ScoreStrideBytes;

    /// <summary>Of 32 bytes of a row each; at least 1.</summary>
    public long Turns;
}
