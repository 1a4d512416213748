using System.Runtime.Intrinsics.X86;
using Iced.Intel;
using Kvasir.Kernels.Assembly;
using static Iced.Intel.AssemblerRegisters;

namespace Kvasir.Test.Kernels.Assembly;

public sealed unsafe class AssembledKernelTest
{
    [Fact]
    public void SwitchedOffInstructionSetsTakeAssembledKernelsAway()
    {
        if (!Avx512F.IsSupported)
            Assert.False(CpuFeatures.HasAvx512 || CpuFeatures.HasVnni || CpuFeatures.HasBf16 || CpuFeatures.HasPopcount || CpuFeatures.HasAmx);
        if (!Avx2.IsSupported)
            Assert.False(AssembledKernel.IsAllowed || CpuFeatures.HasHalfConversion);
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
            code.vpcmpeqd(ymm6, ymm6, ymm6);
            code.vpcmpeqd(ymm15, ymm15, ymm15);
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
