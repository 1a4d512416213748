using System.Runtime.Intrinsics.X86;

namespace Kvasir.Kernels.Assembly;

/// <summary>
/// Instructions that .NET has no class for. Each needs AVX-512 to be usable, as the runtime sees it, so that DOTNET_EnableAVX512=0 takes
/// these away too.
/// </summary>
public static class CpuFeatures
{
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

    /// <summary>LDTILECFG and TDPBF16PS: tiles of 16 rows of 64 bytes, and 8,192 products of bf16 numbers by one instruction. The system has agreed to their use.</summary>
    public static bool HasAmx { get; } = HasBf16 && (Leaf(7, 0).Edx & AmxBits) == AmxBits && TilePermission.IsGranted();

    /// <summary>The 512-bit forms of what .NET does have, VCVTPH2PS among them (a part of AVX512F).</summary>
    public static bool HasAvx512 => Avx512F.X64.IsSupported && Avx512BW.IsSupported && Avx512Vbmi.IsSupported;

    private static bool Bit(int register, int bit) => (register >> bit & 1) != 0;

    private static (int Eax, int Ebx, int Ecx, int Edx) Leaf(int function, int subfunction) =>
        X86Base.IsSupported && X86Base.CpuId(0, 0).Eax >= function ? X86Base.CpuId(function, subfunction) : default;
}
