using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace Kvasir.Kernels.Assembly;

/// <summary>
/// Instructions that .NET has no class for. Each needs AVX2 or AVX-512 to be usable, as the runtime sees it, so that DOTNET_EnableAVX2=0 or
/// DOTNET_EnableAVX512=0 takes these away too.
/// </summary>
public static class CpuFeatures
{
    private const int FmaBit = 12;
    private const int HalfConversionBit = 29;
    private const int Avx2Bit = 5;
    private const int Avx512FoundationBit = 16;
    private const int Avx512BytesBit = 30;
    private const int Avx512PermuteBit = 1;
    private const int AvxVnniBit = 4;
    private const int Avx512VnniBit = 11;
    private const int Avx512PopcountBit = 14;
    private const int Avx512Bf16Bit = 5;
    private const int AmxBits = 1 << 24 | 1 << 22;

    /// <summary>VPDPBUSD and VPDPWSSD on 512 bits: four products of bytes, or two of words, added to each 32-bit lane.</summary>
    public static bool HasVnni { get; } = HasAvx512 && Bit(Leaf(7, 0).Ecx, Avx512VnniBit);

    /// <summary>VPOPCNTD and VPOPCNTQ.</summary>
    public static bool HasPopcount { get; } = HasAvx512 && Bit(Leaf(7, 0).Ecx, Avx512PopcountBit);

    /// <summary>VDPBF16PS: two products of bf16 numbers added to each lane of single precision.</summary>
    public static bool HasBf16 { get; } = HasAvx512 && Bit(Leaf(7, 1).Eax, Avx512Bf16Bit);

    /// <summary>
    /// LDTILECFG and TDPBF16PS: tiles of 16 rows of 64 bytes, and 8,192 products of bf16 numbers by one instruction. The system has agreed to their use.
    /// </summary>
    public static bool HasAmx { get; } = HasBf16 && (Leaf(7, 0).Edx & AmxBits) == AmxBits && TilePermission.IsGranted();

    /// <summary>AVX2 and FMA, which .NET does have, and VCVTPH2PS on 256 bits (F16C), which it has not.</summary>
    public static bool HasHalfConversion { get; } = Avx2.X64.IsSupported && Fma.X64.IsSupported && Bit(Leaf(1, 0).Ecx, HalfConversionBit);

    /// <summary>The 512-bit forms of what .NET does have, VCVTPH2PS among them (a part of AVX512F).</summary>
    public static bool HasAvx512 => Avx512F.X64.IsSupported && Avx512BW.IsSupported && Avx512Vbmi.IsSupported;

    /// <summary>Sets of the processor, by the names of <see cref="Machine.Processor"/>, whether this process may use them or not.</summary>
    internal static IEnumerable<string> OfProcessor()
    {
        // A process that may use nothing at all may not even ask; .NET runs on no x64 processor that has not this one.
        if (!X86Base.IsSupported)
            return RuntimeInformation.ProcessArchitecture == Architecture.X64 ? ["SSE4.2"] : [];
        var (first, wide, more) = (Leaf(1, 0), Leaf(7, 0), Leaf(7, 1));
        (string Name, bool Has)[] sets =
        [
            ("AVX2", Bit(wide.Ebx, Avx2Bit)), ("FMA", Bit(first.Ecx, FmaBit)), ("AVX-VNNI", Bit(more.Eax, AvxVnniBit)),
            ("AVX512F", Bit(wide.Ebx, Avx512FoundationBit)), ("AVX512BW", Bit(wide.Ebx, Avx512BytesBit)), ("AVX512VBMI", Bit(wide.Ecx, Avx512PermuteBit)),
            ("AVX512-VNNI", Bit(wide.Ecx, Avx512VnniBit)), ("AVX512-VPOPCNTDQ", Bit(wide.Ecx, Avx512PopcountBit)),
            ("AVX512-BF16", Bit(more.Eax, Avx512Bf16Bit)),
            ("AMX-BF16", (wide.Edx & AmxBits) == AmxBits),
        ];
        return sets.Where(static set => set.Has).Select(static set => set.Name);
    }

    private static bool Bit(int register, int bit) => (register >> bit & 1) != 0;

    private static (int Eax, int Ebx, int Ecx, int Edx) Leaf(int function, int subfunction) =>
        X86Base.IsSupported && X86Base.CpuId(0, 0).Eax >= function ? X86Base.CpuId(function, subfunction) : default;
}

/// <summary>Linux saves the eight kilobytes of AMX tiles only for processes that have asked for them.</summary>
internal static partial class TilePermission
{
    private const nint ArchPrctl = 158;
    private const nint RequestStatePermission = 0x1023;
    private const nint TileData = 18;

    /// <summary>Asks for all threads of the process. Other systems than Linux on x64 are not asked: nothing is known of them.</summary>
    public static bool IsGranted() =>
        OperatingSystem.IsLinux() && RuntimeInformation.ProcessArchitecture == Architecture.X64 && Syscall(ArchPrctl, RequestStatePermission, TileData) == 0;

    [LibraryImport("libc", EntryPoint = "syscall")]
    private static partial nint Syscall(nint number, nint first, nint second);
}
