using Iced.Intel;
using Kvasir.Kernels.Assembly;
using static Iced.Intel.AssemblerRegisters;

namespace Kvasir.Kernels.Machine;

/// <summary>Multiply-adds that .NET has no class for, all operands in registers: twelve sums that do not wait for each other.</summary>
internal static unsafe class AssembledLoops
{
    private const int Sums = 12;
    private const int Unrolled = 4;
    private const int VectorBytes = 64;

    /// <summary>Bytes into 32-bit sums.</summary>
    public static MultiplyAddLoop Vnni => Loop("512-bit VPDPBUSD", CpuFeatures.HasVnni, VectorBytes, static (code, sum) => code.vpdpbusd(sum, zmm30, zmm31));

    /// <summary>Pairs of bf16 numbers into single precision.</summary>
    public static MultiplyAddLoop Bf16 => Loop("512-bit VDPBF16PS", CpuFeatures.HasBf16, VectorBytes / 2, static (code, sum) => code.vdpbf16ps(sum, zmm30, zmm31));

    private static MultiplyAddLoop Loop(string form, bool isSupported, int products, Action<Assembler, AssemblerRegisterZMM> multiplyAdd)
    {
        if (!isSupported || !AssembledKernel.IsAllowed)
            return new MultiplyAddLoop(form, false, 0, static _ => { });
        var address = AssembledKernel.Assemble(code =>
        {
            for (var i = 0; i < 32; i++)
                code.vpxord(Zmm(i), Zmm(i), Zmm(i));
            code.mov(rax, __qword_ptr[AssembledKernel.Arguments]);
            var turn = code.CreateLabel("turn");
            code.Label(ref turn);
            for (var i = 0; i < Unrolled * Sums; i++)
                multiplyAdd(code, Zmm(i % Sums));
            code.dec(rax);
            code.jnz(turn);
        });
        return new MultiplyAddLoop(form, true, 2 * Unrolled * Sums * products, turns => ((delegate* unmanaged<long*, void>)address)(&turns));
    }

    private static AssemblerRegisterZMM Zmm(int number) => new(Register.ZMM0 + number);
}
