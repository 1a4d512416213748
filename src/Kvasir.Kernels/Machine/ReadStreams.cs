using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Kvasir.Kernels.Machine;

/// <summary>
/// Reads memory in eight streams at once. One stream stops at the end of each page of the hardware prefetcher; eight, with prefetch
/// ahead, keep as many lines under way as a core can.
/// </summary>
internal static unsafe class ReadStreams
{
    public const int LineBytes = 64;

    /// <summary>What is read is a multiple of this; the rest is left out.</summary>
    public const int StepBytes = Streams * LineBytes;

    private const int Streams = 8;
    private const int AheadBytes = 16 * LineBytes;

    internal delegate long Reader(byte* start, long bytes);

    internal static readonly Variant<Reader>[] Variants =
        [new("256", true, Read256), new("512", Vector512.IsHardwareAccelerated, Read512)];

    /// <summary>All bits that are set anywhere in the memory, folded into one word.</summary>
    public static long Read(byte* start, long bytes) => Vector512.IsHardwareAccelerated ? Read512(start, bytes) : Read256(start, bytes);

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static long Read512(byte* start, long bytes)
    {
        var stream = bytes / StepBytes * LineBytes;
        var (a, b, c, d) = (Vector512<long>.Zero, Vector512<long>.Zero, Vector512<long>.Zero, Vector512<long>.Zero);
        for (var p = start; p < start + stream; p += LineBytes)
        {
            Prefetch(p, stream);
            a |= Vector512.Load((long*)p) | Vector512.Load((long*)(p + (4 * stream)));
            b |= Vector512.Load((long*)(p + stream)) | Vector512.Load((long*)(p + (5 * stream)));
            c |= Vector512.Load((long*)(p + (2 * stream))) | Vector512.Load((long*)(p + (6 * stream)));
            d |= Vector512.Load((long*)(p + (3 * stream))) | Vector512.Load((long*)(p + (7 * stream)));
        }

        var all = (a | b) | (c | d);
        return Fold(all.GetLower() | all.GetUpper());
    }

    // Where 256 bits are not one register, the compiler makes two loads of it, or four.
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static long Read256(byte* start, long bytes)
    {
        const int Half = LineBytes / 2;
        var stream = bytes / StepBytes * LineBytes;
        var (a, b) = (Vector256<long>.Zero, Vector256<long>.Zero);
        for (var p = start; p < start + stream; p += LineBytes)
        {
            Prefetch(p, stream);
            var line = p;
            for (var i = 0; i < Streams; i++, line += stream)
            {
                a |= Vector256.Load((long*)line);
                b |= Vector256.Load((long*)(line + Half));
            }
        }

        return Fold(a | b);
    }

    // Prefetching beyond the end does no harm.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Prefetch(byte* p, long stream)
    {
        if (!Sse.IsSupported)
            return;
        Sse.Prefetch0(p + AheadBytes);
        Sse.Prefetch0(p + AheadBytes + stream);
        Sse.Prefetch0(p + AheadBytes + (2 * stream));
        Sse.Prefetch0(p + AheadBytes + (3 * stream));
        Sse.Prefetch0(p + AheadBytes + (4 * stream));
        Sse.Prefetch0(p + AheadBytes + (5 * stream));
        Sse.Prefetch0(p + AheadBytes + (6 * stream));
        Sse.Prefetch0(p + AheadBytes + (7 * stream));
    }

    private static long Fold(Vector256<long> bits) => bits[0] | bits[1] | bits[2] | bits[3];
}
