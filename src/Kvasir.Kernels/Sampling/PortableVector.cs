using System.Runtime.Intrinsics;

namespace Kvasir.Kernels.Sampling;

/// <summary>
/// Kernels that are written once in vectors of 512 bits, which the compiler makes of as many registers as the machine needs: their results are the same bits
/// on all machines with vectors.
/// </summary>
internal static class PortableVector
{
    public static bool IsSupported => Vector128.IsHardwareAccelerated;

    /// <summary>Bits of the machine's registers, as variants are named.</summary>
    public static string Name => Vector512.IsHardwareAccelerated ? "512" : Vector256.IsHardwareAccelerated ? "256" : "128";
}
