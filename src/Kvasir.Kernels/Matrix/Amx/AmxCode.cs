using System.Runtime.InteropServices;
using Iced.Intel;
using Kvasir.Kernels.Assembly;
using static Iced.Intel.AssemblerRegisters;

namespace Kvasir.Kernels.Matrix.Amx;

/// <summary>
/// Assembles the multiplication of thirty-two rows of weights by groups of 1 to 32 rows of activations: four tiles of sums, so that two tiles of
/// either side serve four products, which hides their loads.
/// </summary>
/// <param name="parts">Numbers that make up an activation.</param>
internal sealed class AmxCode(int parts)
{
    private static AssemblerRegister64 Weights => rdx;

    private static AssemblerRegister64 Activations => rsi;

    private static AssemblerRegister64 Group => rcx;

    private static AssemblerRegister64 Steps => rbx;

    private static AssemblerRegister64 Groups => r14;

    private static AssemblerRegister64 RowBytes => r11;

    private static AssemblerRegister64 Sums => r8;

    private static AssemblerRegister64 SumStride => r9;

    private static AssemblerRegister64 Results => r12;

    private static AssemblerRegister64 ResultStride => r13;

    /// <summary>By rows of a group: functions of <see cref="AmxArguments"/>.</summary>
    public static KernelTable Kernels(int parts) => parts == 1 ? Single : Pairs;

    private static KernelTable Single { get; } = new(AmxActivations.GroupRows, new AmxCode(1).Write);

    private static KernelTable Pairs { get; } = new(AmxActivations.GroupRows, new AmxCode(2).Write);

    private void Write(Assembler code, int rows)
    {
        var (upper, lower) = (Math.Min(AmxTiles.Rows, rows), Math.Max(0, rows - AmxTiles.Rows));
        AmxTiles.WriteStart(code, rax, upper, upper, lower, lower, upper, lower);
        code.mov(Group, Argument(nameof(AmxArguments.Activations)));
        code.mov(Groups, Argument(nameof(AmxArguments.Groups)));
        code.mov(Sums, Argument(nameof(AmxArguments.Sums)));
        code.mov(SumStride, Argument(nameof(AmxArguments.SumStrideBytes)));
        code.mov(Results, Argument(nameof(AmxArguments.Results)));
        code.mov(ResultStride, Argument(nameof(AmxArguments.ResultStrideBytes)));
        code.mov(RowBytes, AmxTiles.RowBytes);
        var (group, step) = (code.CreateLabel(), code.CreateLabel());
        code.Label(ref group);
        code.mov(Weights, Argument(nameof(AmxArguments.Weights)));
        code.mov(Steps, Argument(nameof(AmxArguments.Steps)));
        code.mov(Activations, Group);
        WriteSums(code, lower > 0);
        code.Label(ref step);
        WriteStep(code, rows);
        code.dec(Steps);
        code.jne(step);
        WriteResults(code, lower > 0);
        code.add(Group, Argument(nameof(AmxArguments.GroupBytes)));
        // On to the next group's: as many strides as rows.
        code.imul(rax, ResultStride, rows);
        code.add(Results, rax);
        code.imul(rax, SumStride, rows);
        code.add(Sums, rax);
        code.dec(Groups);
        code.jne(group);
        AmxTiles.WriteEnd(code);
    }

    private void WriteStep(Assembler code, int rows)
    {
        var both = rows > AmxTiles.Rows;
        code.tileloadd(tmm6, __[Weights + RowBytes]);
        code.tileloadd(tmm7, __[Weights + RowBytes + AmxTiles.Bytes]);
        for (var part = 0; part < parts; part++)
        {
            var at = part * rows * AmxActivations.StepBytes;
            code.tileloadd(tmm4, __[Activations + RowBytes + at]);
            code.tdpbf16ps(tmm0, tmm4, tmm6);
            code.tdpbf16ps(tmm1, tmm4, tmm7);
            if (both)
            {
                code.tileloadd(tmm5, __[Activations + RowBytes + at + AmxTiles.Bytes]);
                code.tdpbf16ps(tmm2, tmm5, tmm6);
                code.tdpbf16ps(tmm3, tmm5, tmm7);
            }
        }

        code.add(Activations, parts * rows * AmxActivations.StepBytes);
        code.add(Weights, Bf16Pairs.StepBytes);
    }

    private static void WriteSums(Assembler code, bool both)
    {
        var (zero, ready) = (code.CreateLabel(), code.CreateLabel());
        code.cmp(Argument(nameof(AmxArguments.Sums)), 0);
        code.je(zero);
        ForEachSum(code, both, (Sums, SumStride), (sum, at) => code.tileloadd(sum, at));
        code.jmp(ready);
        code.Label(ref zero);
        ForEachSum(code, both, (Sums, SumStride), (sum, _) => code.tilezero(sum));
        code.Label(ref ready);
        // An instruction of its own: the loop behind begins with a label too.
        code.nop();
    }

    private static void WriteResults(Assembler code, bool both) =>
        ForEachSum(code, both, (Results, ResultStride), (sum, at) => code.tilestored(at, sum));

    private static void ForEachSum(
        Assembler code, bool both, (AssemblerRegister64 First, AssemblerRegister64 Stride) rows, Action<AssemblerRegisterTMM, AssemblerMemoryOperand> write)
    {
        write(tmm0, __[rows.First + rows.Stride]);
        write(tmm1, __[rows.First + rows.Stride + AmxTiles.RowBytes]);
        if (!both)
            return;
        code.mov(rax, rows.Stride);
        code.shl(rax, 4);
        code.add(rax, rows.First);
        write(tmm2, __[rax + rows.Stride]);
        write(tmm3, __[rax + rows.Stride + AmxTiles.RowBytes]);
    }

    private static AssemblerMemoryOperand Argument(string field) =>
        __qword_ptr[AssembledKernel.Arguments + (int)Marshal.OffsetOf<AmxArguments>(field)];
}

/// <summary>What a kernel of <see cref="AmxCode"/> is called with: thirty-two rows of weights, and groups of rows of activations.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct AmxArguments
{
    /// <summary>[steps, 2, 16, 32] bf16 numbers: see <see cref="Bf16Pairs"/>.</summary>
    public byte* Weights;

    /// <summary>The first group of activations, at the first column of the weights: see <see cref="AmxActivations"/>.</summary>
    public byte* Activations;

    public long GroupBytes;

    /// <summary>Columns / 32; at least 1.</summary>
    public long Steps;

    /// <summary>At least 1.</summary>
    public long Groups;

    /// <summary>What the products are added to, a row for each of the activations; null for zeros.</summary>
    public float* Sums;
    public long SumStrideBytes;

    public float* Results;
    public long ResultStrideBytes;
}
