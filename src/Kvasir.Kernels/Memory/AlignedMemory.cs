using System.Runtime.InteropServices;

namespace Kvasir.Kernels.Memory;

/// <summary>Where native memory comes from: the one place in which an allocation can fail.</summary>
internal static unsafe class AlignedMemory
{
    // Of each thread by itself, so that a test which lets an allocation fail disturbs no other.
    private static readonly ThreadLocal<int> UntilFailure = new();

    /// <summary>Whether the failure that <see cref="FailAt"/> asked for is still to come.</summary>
    public static bool FailureIsDue => UntilFailure.Value > 0;

    /// <summary>Lets the <paramref name="nth"/> allocation of this thread from now on fail, which counts from 1; 0 for none. For tests of failures.</summary>
    public static void FailAt(int nth) => UntilFailure.Value = nth;

    /// <exception cref="OutOfMemoryException">The system has no such block.</exception>
    public static void* Allocate(long bytes, int alignment)
    {
        if (FailureIsDue && --UntilFailure.Value == 0)
            throw new InsufficientMemoryException($"no {bytes} bytes, as a test wants it");
        return NativeMemory.AlignedAlloc((nuint)bytes, (nuint)alignment);
    }
}
