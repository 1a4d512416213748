using System.Runtime.InteropServices;
using Iced.Intel;
using Kvasir.Kernels.Assembly;
using static Iced.Intel.AssemblerRegisters;

namespace Kvasir.Kernels.Matrix.Tiles;

/// <summary>
/// Assembles the multiplication of two vectors of weight rows by 1 to 12 rows of activations, in single precision: 24 sums stay in
/// registers, and a broadcast activation serves two multiply-adds, since loads are what such a loop waits for.
/// </summary>
internal static class FloatTileCode
{
    /// <summary>As many rows of activations as leave registers for two vectors of weights and a broadcast.</summary>
    public const int MostRows = 12;

    private const int Halves = 2;
    private const int VectorBytes = 64;
    private const int RowsPerPointer = 3;
    private const int ColumnsPerTurn = 4;

    // x86 addresses reach a row and the two behind it from one pointer.
    private static readonly AssemblerRegister64[] RowPointers = [rcx, r8, r9, r10];

    private static AssemblerRegister64 First => rsi;

    private static AssemblerRegister64 Second => rdx;

    private static AssemblerRegister64 Stride => r11;

    private static AssemblerRegister64 Columns => rbx;

    private static AssemblerRegister64 Results => r12;

    private static AssemblerRegister64 ResultStride => r13;

    /// <summary>By rows of activations: functions of <see cref="FloatTileArguments"/>.</summary>
    public static KernelTable Kernels { get; } = new(MostRows, Write);

    private static void Write(Assembler code, int rows)
    {
        code.mov(First, Argument(nameof(FloatTileArguments.First)));
        code.mov(Second, Argument(nameof(FloatTileArguments.Second)));
        code.mov(Stride, Argument(nameof(FloatTileArguments.ActivationStrideBytes)));
        code.mov(Columns, Argument(nameof(FloatTileArguments.Columns)));
        code.mov(RowPointers[0], Argument(nameof(FloatTileArguments.Activations)));
        code.lea(rax, __[Stride + Stride * 2]);
        for (var i = 1; i < RowPointers.Length; i++)
            code.lea(RowPointers[i], __[RowPointers[i - 1] + rax]);
        WriteStart(code, rows);
        WriteColumns(code, rows, ColumnsPerTurn);
        WriteColumns(code, rows, 1);
        WriteResults(code, rows);
    }

    private static void WriteStart(Assembler code, int rows)
    {
        var (zero, ready) = (code.CreateLabel(), code.CreateLabel());
        code.mov(rax, Argument(nameof(FloatTileArguments.Adds)));
        code.test(rax, rax);
        code.je(zero);
        LoadResultAddress(code);
        for (var row = 0; row < rows; row++)
        {
            code.vmovups(Sum(row, 0), __zmmword_ptr[Results]);
            code.vmovups(Sum(row, 1), __zmmword_ptr[Results + VectorBytes]);
            code.add(Results, ResultStride);
        }

        code.jmp(ready);
        code.Label(ref zero);
        for (var i = 0; i < Halves * rows; i++)
            code.vpxord(Zmm(i), Zmm(i), Zmm(i));
        code.Label(ref ready);
        // An instruction of its own: the loop behind begins with a label too.
        code.nop();
    }

    /// <summary>As many turns of <paramref name="columns"/> columns as are left.</summary>
    private static void WriteColumns(Assembler code, int rows, int columns)
    {
        var (loop, end) = (code.CreateLabel(), code.CreateLabel());
        var (weights0, weights1, x) = (Zmm(Halves * MostRows), Zmm(Halves * MostRows + 1), Zmm(Halves * MostRows + 2));
        code.Label(ref loop);
        code.cmp(Columns, columns);
        code.jl(end);
        for (var column = 0; column < columns; column++)
        {
            code.vmovups(weights0, __zmmword_ptr[First + column * VectorBytes]);
            code.vmovups(weights1, __zmmword_ptr[Second + column * VectorBytes]);
            for (var row = 0; row < rows; row++)
            {
                code.vbroadcastss(x, Activation(row, column));
                code.vfmadd231ps(Sum(row, 0), weights0, x);
                code.vfmadd231ps(Sum(row, 1), weights1, x);
            }
        }

        code.add(First, columns * VectorBytes);
        code.add(Second, columns * VectorBytes);
        foreach (var pointer in RowPointers)
            code.add(pointer, columns * sizeof(float));
        code.sub(Columns, columns);
        code.jmp(loop);
        code.Label(ref end);
        code.nop();
    }

    private static void WriteResults(Assembler code, int rows)
    {
        LoadResultAddress(code);
        for (var row = 0; row < rows; row++)
        {
            code.vmovups(__zmmword_ptr[Results], Sum(row, 0));
            code.vmovups(__zmmword_ptr[Results + VectorBytes], Sum(row, 1));
            code.add(Results, ResultStride);
        }
    }

    private static void LoadResultAddress(Assembler code)
    {
        code.mov(Results, Argument(nameof(FloatTileArguments.Results)));
        code.mov(ResultStride, Argument(nameof(FloatTileArguments.ResultStrideBytes)));
    }

    private static AssemblerMemoryOperand Activation(int row, int column)
    {
        var (pointer, offset) = (RowPointers[row / RowsPerPointer], column * sizeof(float));
        return (row % RowsPerPointer) switch
        {
            0 => __dword_ptr[pointer + offset],
            1 => __dword_ptr[pointer + Stride + offset],
            _ => __dword_ptr[pointer + Stride * 2 + offset],
        };
    }

    private static AssemblerMemoryOperand Argument(string field) =>
        __qword_ptr[AssembledKernel.Arguments + (int)Marshal.OffsetOf<FloatTileArguments>(field)];

    private static AssemblerRegisterZMM Sum(int row, int half) => Zmm(row * Halves + half);

    private static AssemblerRegisterZMM Zmm(int number) => new(Register.ZMM0 + number);
}

/// <summary>What the kernel of <see cref="FloatTileCode"/> is called with.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct FloatTileArguments
{
    /// <summary>[columns] vectors: the first sixteen rows of weights.</summary>
    public float* First;

    /// <summary>[columns] vectors: the other sixteen.</summary>
    public float* Second;

    /// <summary>The first row of activations, at the panel's first column.</summary>
    public float* Activations;

    public long ActivationStrideBytes;

    /// <summary>At least 1.</summary>
    public long Columns;

    public float* Results;
    public long ResultStrideBytes;

    /// <summary>0 overwrites the results, anything else adds to them.</summary>
    public long Adds;
}
