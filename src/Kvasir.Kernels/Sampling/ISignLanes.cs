using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Kvasir.Kernels.Sampling;

/// <summary>What <see cref="SignScan"/> does with a register of bytes, one of each row.</summary>
internal unsafe interface ISignLanes<TVector>
    where TVector : struct
{
    /// <summary>Bytes in a register.</summary>
    static abstract int Count { get; }

    static abstract TVector Load(byte* bytes);

    /// <summary>The lower four bits of each byte.</summary>
    static abstract TVector Low(TVector bytes);

    /// <summary>The upper four bits of each byte.</summary>
    static abstract TVector High(TVector bytes);

    /// <summary>
    /// Each sum, and what a table of 16 bytes says for <paramref name="low"/> and the one behind it for <paramref name="high"/>, at most 255.
    /// </summary>
    static abstract TVector Add(TVector sum, byte* tables, TVector low, TVector high);

    /// <summary>255 less each sum.</summary>
    static abstract void Give(TVector sum, byte* scores);
}

internal readonly unsafe struct SignLanes128 : ISignLanes<Vector128<byte>>
{
    public static int Count => Vector128<byte>.Count;

    public static Vector128<byte> Load(byte* bytes) => Vector128.Load(bytes);

    public static Vector128<byte> Low(Vector128<byte> bytes) => bytes & Vector128.Create((byte)15);

    public static Vector128<byte> High(Vector128<byte> bytes) => bytes >>> 4;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Add(Vector128<byte> sum, byte* tables, Vector128<byte> low, Vector128<byte> high) =>
        Vector128.AddSaturate(
            sum, Vector128.ShuffleNative(Vector128.Load(tables), low) + Vector128.ShuffleNative(Vector128.Load(tables + SignScan.TableEntries), high));

    public static void Give(Vector128<byte> sum, byte* scores) => (~sum).Store(scores);
}

internal readonly unsafe struct SignLanes256 : ISignLanes<Vector256<byte>>
{
    public static int Count => Vector256<byte>.Count;

    public static Vector256<byte> Load(byte* bytes) => Vector256.Load(bytes);

    public static Vector256<byte> Low(Vector256<byte> bytes) => bytes & Vector256.Create((byte)15);

    public static Vector256<byte> High(Vector256<byte> bytes) => (bytes.AsUInt16() >>> 4).AsByte() & Vector256.Create((byte)15);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Add(Vector256<byte> sum, byte* tables, Vector256<byte> low, Vector256<byte> high) =>
        Avx2.AddSaturate(
            sum,
            Avx2.Shuffle(Avx2.BroadcastVector128ToVector256(tables), low)
                + Avx2.Shuffle(Avx2.BroadcastVector128ToVector256(tables + SignScan.TableEntries), high));

    public static void Give(Vector256<byte> sum, byte* scores) => (~sum).Store(scores);
}

internal readonly unsafe struct SignLanes512 : ISignLanes<Vector512<byte>>
{
    public static int Count => Vector512<byte>.Count;

    public static Vector512<byte> Load(byte* bytes) => Vector512.Load(bytes);

    public static Vector512<byte> Low(Vector512<byte> bytes) => bytes & Vector512.Create((byte)15);

    public static Vector512<byte> High(Vector512<byte> bytes) => (bytes.AsUInt16() >>> 4).AsByte() & Vector512.Create((byte)15);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> Add(Vector512<byte> sum, byte* tables, Vector512<byte> low, Vector512<byte> high) =>
        Avx512BW.AddSaturate(sum, LookUp(tables, low) + LookUp(tables + SignScan.TableEntries, high));

    public static void Give(Vector512<byte> sum, byte* scores) => (~sum).Store(scores);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<byte> LookUp(byte* table, Vector512<byte> numbers) =>
        Avx512BW.Shuffle(Avx512F.BroadcastVector128ToVector512((uint*)table).AsByte(), numbers);
}
