using Iced.Intel;
using Kvasir.Kernels.Assembly;
using static Iced.Intel.AssemblerRegisters;

namespace Kvasir.Test.Kernels.Assembly;

public sealed unsafe class AssembledKernelTest
{
    [Fact]
    public void SwitchedOffInstructionSetsTakeAssembledKernelsAway()
    {
        if (System.Runtime.Intrinsics.X86.Avx512F.IsSupported)
            return;
        Assert.False(AssembledKernel.IsAllowed || CpuFeatures.HasVnni || CpuFeatures.HasBf16 || CpuFeatures.HasPopcount || CpuFeatures.HasAmx);
    }

    [Fact]
    public void KernelMayUseEveryRegisterAndSeesItsArguments()
    {
        if (!AssembledKernel.IsAllowed)
            return;
        var kernel = (delegate* unmanaged<long*, void>)AssembledKernel.Assemble(code =>
        {
            code.mov(rax, __qword_ptr[AssembledKernel.Arguments]);
            foreach (var register in new[] { rbx, rbp, rsi, r8, r9, r10, r11, r12, r13, r14, r15 })
                code.mov(register, rax);
            code.vpternlogd(zmm6, zmm6, zmm6, 0xFF);
            code.vpternlogd(zmm15, zmm15, zmm15, 0xFF);
            code.lea(rax, __[rax + r15 + 1]);
            code.mov(__qword_ptr[AssembledKernel.Arguments + 8], rax);
        });

        var sum = 0d;
        var arguments = stackalloc long[2];
        for (var i = 0; i < 1000; i++)
        {
            // Numbers in flight on both sides of the call: a register that is not given back shows.
            arguments[0] = i;
            sum += i * 0.5;
            kernel(arguments);
            Assert.Equal(2 * i + 1, arguments[1]);
        }

        Assert.Equal(999 * 1000 / 4.0, sum);
    }
}
