using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace Kvasir.Kernels.Memory;

/// <summary>The lines in which memory comes to the processor.</summary>
internal static unsafe class CacheLines
{
    /// <summary>Bytes of a line, and how much longer than needed a scratch must be for <see cref="Align"/>.</summary>
    public const int Bytes = 64;

    /// <summary>The first address of a scratch on the stack at which registers never straddle two lines.</summary>
    public static float* Align(byte* scratch) => (float*)((nint)(scratch + Bytes - 1) & -Bytes);

    /// <summary>Asks for the line that an address lies in.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Prefetch(byte* address)
    {
        if (Sse.IsSupported)
            Sse.Prefetch1(address);
    }

    /// <summary>Asks for every line of <paramref name="bytes"/> bytes once, wherever the first lies in its line.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void PrefetchAll(byte* address, int bytes)
    {
        var end = address + bytes;
        for (var line = (byte*)((nint)address & -Bytes); line < end; line += Bytes)
            Prefetch(line);
    }

    /// <summary>Asks for the lines of <paramref name="bytes"/> bytes: a constant, so that this unrolls.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Prefetch(byte* address, int bytes)
    {
        Prefetch(address);
        if (bytes >= 2 * Bytes)
            Prefetch(address + Bytes);
        if (bytes < 4 * Bytes)
            return;
        Prefetch(address + 2 * Bytes);
        Prefetch(address + 3 * Bytes);
    }
}
