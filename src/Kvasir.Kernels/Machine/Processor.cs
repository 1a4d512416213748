using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using System.Text;
using Kvasir.Kernels.Assembly;

namespace Kvasir.Kernels.Machine;

/// <summary>What the processor is.</summary>
public static class Processor
{
    private const int FirstNameLeaf = unchecked((int)0x80000002);
    private const int LastNameLeaf = unchecked((int)0x80000004);

    /// <summary>As it names itself; on processors that do not, the architecture.</summary>
    public static string Name { get; } = ReadName();

    /// <summary>AMD's number of a generation of cores: 0x17 is Zen to Zen 2, 0x19 Zen 3 and Zen 4, 0x1A Zen 5. 0 where AMD did not make it.</summary>
    public static int AmdFamily { get; } =
        X86Base.IsSupported && X86Base.CpuId(0, 0) is { Ebx: 0x68747541, Edx: 0x69746E65, Ecx: 0x444D4163 } ? Family(X86Base.CpuId(1, 0).Eax) : 0;

    /// <summary>Instruction sets that kernels use and this process may, by name.</summary>
    public static IReadOnlyList<string> InstructionSets { get; } = [.. Sets().Where(static set => set.IsSupported).Select(static set => set.Name)];

    /// <summary>
    /// Instruction sets that kernels would use and the processor has, but this process may not: it was compiled ahead of time without them, or a setting of the
    /// runtime's or the system's takes them away.
    /// </summary>
    public static IReadOnlyList<string> UnusedInstructionSets { get; } = [.. CpuFeatures.OfProcessor().Except(InstructionSets)];

    private static int Family(int signature) => (signature >> 8 & 0xF) + (signature >> 20 & 0xFF);

    private static (string Name, bool IsSupported)[] Sets() =>
    [
        ("SSE4.2", Sse42.IsSupported), ("AVX2", Avx2.IsSupported), ("FMA", Fma.IsSupported), ("AVX-VNNI", AvxVnni.IsSupported),
        ("AVX512F", Avx512F.IsSupported), ("AVX512BW", Avx512BW.IsSupported), ("AVX512VBMI", Avx512Vbmi.IsSupported),
        ("AVX512-VNNI", CpuFeatures.HasVnni), ("AVX512-VPOPCNTDQ", CpuFeatures.HasPopcount),
        ("AVX512-BF16", CpuFeatures.HasBf16), ("AMX-BF16", CpuFeatures.HasAmx),
        ("AdvSimd", AdvSimd.IsSupported), ("DotProd", Dp.IsSupported),
    ];

    private static string ReadName()
    {
        var architecture = RuntimeInformation.ProcessArchitecture.ToString();
        if (!X86Base.IsSupported || (uint)X86Base.CpuId(unchecked((int)0x80000000), 0).Eax < unchecked((uint)LastNameLeaf))
            return ReadLinuxName() ?? architecture;
        // Three leaves of sixteen characters.
        Span<byte> text = stackalloc byte[48];
        var words = MemoryMarshal.Cast<byte, int>(text);
        for (var leaf = FirstNameLeaf; leaf <= LastNameLeaf; leaf++)
        {
            var at = (leaf - FirstNameLeaf) * 4;
            (words[at], words[at + 1], words[at + 2], words[at + 3]) = X86Base.CpuId(leaf, 0);
        }

        var name = string.Join(' ', Encoding.ASCII.GetString(text).Replace('\0', ' ').Split(' ', StringSplitOptions.RemoveEmptyEntries));
        return name.Length > 0 ? name : architecture;
    }

    private static string? ReadLinuxName()
    {
        try
        {
            foreach (var line in File.Exists("/proc/cpuinfo") ? File.ReadLines("/proc/cpuinfo") : [])
            {
                if (line.StartsWith("model name", StringComparison.OrdinalIgnoreCase) && line.IndexOf(':', StringComparison.Ordinal) is > 0 and var colon)
                    return line[(colon + 1)..].Trim();
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }

        return null;
    }
}
