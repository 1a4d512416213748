using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace Kvasir.Kernels.Elementwise;

/// <summary>The checks that stand between spans and the pointers made of them.</summary>
internal static class Lengths
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void RequireEqual(int length, int expected, string name)
    {
        if (length != expected)
            Fail(length, expected, name);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void RequireAtLeast(long length, long needed, string name)
    {
        if (length < needed)
            Fail(length, needed, name);
    }

    [DoesNotReturn]
    private static void Fail(long length, long expected, string name) =>
        throw new ArgumentException($"{name} has {length} elements where {expected} are needed", name);
}
