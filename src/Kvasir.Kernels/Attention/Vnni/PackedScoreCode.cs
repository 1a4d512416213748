using System.Runtime.InteropServices;
using Iced.Intel;
using Kvasir.Kernels.Assembly;
using static Iced.Intel.AssemblerRegisters;

namespace Kvasir.Kernels.Attention.Vnni;

/// <summary>
/// Assembles the scores of a page of 32 rows of few bits for 1 to 4 queries. A lane is a row: 32 bytes of each row are transposed as in <see
/// cref="ScoreCode"/>, a shift and a mask leave four codes of a lane, and VPDPBUSD multiplies them by four bytes of a query: the upper ones, and after the sums
/// have been shifted, the lower ones. Codes have no sign and are so small that they pass for numbers with one, so that nothing is raised or taken off.
/// </summary>
internal sealed class PackedScoreCode(int bits)
{
    /// <summary>Rows of a page.</summary>
    public const int PageRows = ScoreCode.TurnRows;

    /// <summary>Bytes of a row that are one turn.</summary>
    public const int TurnBytes = RowBlocks.Elements;

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

    private static AssemblerRegisterZMM Query => Zmm(ScoreCode.FirstSpare + 1);

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

        code.mov(eax, (bits == 4 ? 0x0F : 0x03) * 0x01010101);
        code.vpbroadcastd(Mask, eax);
        for (var i = 0; i < 2 * queries; i++)
            code.vpxord(ScoreCode.Dot(i / 2, i % 2), ScoreCode.Dot(i / 2, i % 2), ScoreCode.Dot(i / 2, i % 2));
        WritePlane(code, queries, isUpper: true);
        for (var i = 0; i < 2 * queries; i++)
            code.vpslld(ScoreCode.Dot(i / 2, i % 2), ScoreCode.Dot(i / 2, i % 2), 8);
        WritePlane(code, queries, isUpper: false);
        for (var i = 0; i < 2 * queries; i++)
        {
            var sum = __zmmword_ptr[Sums + i * VectorBytes];
            code.vpaddd(ScoreCode.Dot(i / 2, i % 2), ScoreCode.Dot(i / 2, i % 2), sum);
            code.vmovdqa32(sum, ScoreCode.Dot(i / 2, i % 2));
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

    private void WritePlane(Assembler code, int queries, bool isUpper)
    {
        for (var i = 0; i < ScoreCode.Columns * _shifts; i++)
        {
            var (column, shift) = (i / _shifts, i % _shifts);
            if (shift == 0)
                ScoreCode.WriteAsk(code, (isUpper ? 2 : 3) * ScoreCode.Columns + column);
            // Four registers in turn.
            var (first, second) = (Zmm(ScoreCode.FirstSpare + 2 + i % 2 * 2), Zmm(ScoreCode.FirstSpare + 3 + i % 2 * 2));
            WriteCodes(code, first, ScoreCode.Column(0, column), shift * bits);
            WriteCodes(code, second, ScoreCode.Column(1, column), shift * bits);
            for (var q = 0; q < queries; q++)
            {
                code.vpbroadcastd(Query, __dword_ptr[Queries + ((isUpper ? 0 : ScoreCode.MostQueries) + q) * PlaneBytes + i * sizeof(int)]);
                WriteProduct(code, ScoreCode.Dot(q, 0), first, isUpper);
                WriteProduct(code, ScoreCode.Dot(q, 1), second, isUpper);
            }
        }
    }

    private static void WriteCodes(Assembler code, AssemblerRegisterZMM codes, AssemblerRegisterZMM column, int shift)
    {
        if (shift > 0)
            code.vpsrld(codes, column, (byte)shift);
        code.vpandd(codes, shift > 0 ? codes : column, Mask);
    }

    // Upper bytes of a query have a sign, lower ones have none.
    private static void WriteProduct(Assembler code, AssemblerRegisterZMM sum, AssemblerRegisterZMM codes, bool isUpper) =>
        code.vpdpbusd(sum, isUpper ? codes : Query, isUpper ? Query : codes);

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

    /// <summary>Scratch of [4, 32] integers, at a line of memory.</summary>
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
