using System.ComponentModel;
using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Kvasir.Kernels.Assembly;

/// <summary>
/// Kernels whose instructions .NET has no class for, assembled when first wanted. A kernel is a function of one pointer, to a struct of
/// arguments; its writer gets a fresh assembler with that pointer in <see cref="Arguments"/> and may use every other register but rsp.
/// </summary>
internal static class AssembledKernel
{
    /// <summary>Set to 0, this variable of the environment leaves every such kernel out; the intrinsics forms take over.</summary>
    public const string Switch = "KVASIR_ASSEMBLED_KERNELS";

    private const int SavedVectors = 10;
    private const int FirstSavedVector = 6;
    private const int VectorBytes = 16;

    // An odd number, so that 16-byte alignment holds after the return address.
    private const int VectorSpace = SavedVectors * VectorBytes + 8;

    /// <summary>
    /// Whether kernels may be assembled here: an x64 process, AVX2 with F16C, a system that lets memory become executable, and not switched off. Which more a
    /// kernel needs is asked of <see cref="CpuFeatures"/>.
    /// </summary>
    public static bool IsAllowed { get; } =
        CpuFeatures.HasHalfConversion && Environment.GetEnvironmentVariable(Switch) != "0" && CanExecute();

    /// <summary>Where a kernel finds its arguments.</summary>
    public static AssemblerRegister64 Arguments => rdi;

    // What either calling convention wants back; Windows' also keeps rsi, rdi and the lower halves of ten vectors.
    private static AssemblerRegister64[] SavedRegisters => [rbx, rbp, rsi, rdi, r12, r13, r14, r15];

    /// <summary>The address of the assembled function, void (Arguments*).</summary>
    public static nint Assemble(Action<Assembler> writeBody)
    {
        var code = new Assembler(64);
        WritePrologue(code);
        writeBody(code);
        WriteEpilogue(code);
        using var bytes = new MemoryStream();
        code.Assemble(new StreamCodeWriter(bytes), rip: 0);
        return ExecutableMemory.Load(bytes.ToArray());
    }

    private static void WritePrologue(Assembler code)
    {
        foreach (var register in SavedRegisters)
            code.push(register);
        if (!OperatingSystem.IsWindows())
            return;
        code.sub(rsp, VectorSpace);
        for (var i = 0; i < SavedVectors; i++)
            code.vmovups(__xmmword_ptr[rsp + i * VectorBytes], Xmm(FirstSavedVector + i));
        code.mov(Arguments, rcx);
    }

    private static void WriteEpilogue(Assembler code)
    {
        code.vzeroupper();
        if (OperatingSystem.IsWindows())
        {
            for (var i = 0; i < SavedVectors; i++)
                code.vmovups(Xmm(FirstSavedVector + i), __xmmword_ptr[rsp + i * VectorBytes]);
            code.add(rsp, VectorSpace);
        }

        var saved = SavedRegisters;
        for (var i = saved.Length - 1; i >= 0; i--)
            code.pop(saved[i]);
        code.ret();
    }

    private static bool CanExecute()
    {
        try
        {
            _ = ExecutableMemory.Load([0xC3]);
            return true;
        }
        catch (Win32Exception)
        {
            // A hardened system: slower kernels are better than none.
            return false;
        }
    }

    private static AssemblerRegisterXMM Xmm(int number) => new(Register.XMM0 + number);
}
