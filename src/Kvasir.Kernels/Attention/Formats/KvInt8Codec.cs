using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Kvasir.Kernels.Elementwise;
using Kvasir.Kernels.Memory;

namespace Kvasir.Kernels.Attention.Formats;

/// <summary>
/// Signed bytes between the least and the largest element of an <see cref="Int8Range"/>, behind 8 bytes that say which: the row's own step and zero, or, with a
/// step of 0, where the steps and zeros of all channels lie that the rows of a page share (<see cref="OpenPage"/>), in bytes from the row on. Those lie in
/// groups of 16: steps, then zeros.
/// </summary>
internal readonly unsafe struct KvInt8Codec : IKvCodec
{
    /// <summary>In front of a row's codes.</summary>
    public const int HeadBytes = 8;

    /// <summary>Channels whose steps, and then zeros, lie side by side.</summary>
    public const int ChannelGroup = 16;

    public static bool HasScales => false;

    public static RowSizes Parts(int dim) => new(HeadBytes + RowBlocks.Count(dim) * RowBlocks.Elements, 0);

    /// <summary>The row with a range of its own.</summary>
    public static void Encode(ReadOnlySpan<float> row, StoredRow stored)
    {
        var padded = RowBlocks.Count(row.Length) * RowBlocks.Elements;
        var (least, most) = (row[0], row[0]);
        foreach (var x in row)
            (least, most) = (MathF.Min(least, x), MathF.Max(most, x));
        var range = Int8Range.Of(least, most);
        var space = stackalloc float[3 * padded];
        Span<float> elements = new(space, padded), inverses = new(space + padded, padded), zeros = new(space + 2 * padded, padded);
        row.CopyTo(elements);
        elements[row.Length..].Fill(least);
        inverses.Fill(1 / range.Step);
        zeros.Fill(range.Zero);
        var head = (float*)stored.Codes;
        (head[0], head[1]) = (range.Step, range.Zero);
        Int8Codes.Encode(space, space + padded, space + 2 * padded, padded, (sbyte*)stored.Codes + HeadBytes);
    }

    /// <summary>Bytes from a row to the steps and zeros that it shares with others; null for one that has its own.</summary>
    public static int? SharedAt(ReadOnlySpan<byte> row) =>
        BinaryPrimitives.ReadSingleLittleEndian(row) == 0 ? BinaryPrimitives.ReadInt32LittleEndian(row[sizeof(float)..]) : null;

    public static uint ScalePair(byte* scales, int pair) => 0x3F803F80;

    /// <summary>Leaves where each row's channels lie, null for a row with a range of its own: rows may be copied before they are scored.</summary>
    public static float* WidenScales<TLanes, V>(StoredRows rows, int blockCount, float* scales)
        where TLanes : struct, IFloatLanes<V>
        where V : struct
    {
        for (var i = 0; i < TLanes.Count; i++)
            ((float**)scales)[i] = Channels(rows.Codes[i]);
        return scales;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Load<TLanes, V>(byte* codes, nint index)
        where TLanes : struct, IFloatLanes<V>
        where V : struct => Load<TLanes, V>(codes, Channels(codes), index);

    public static void Prepare(float* queries, int count, int dim, float factor, float* prepared) =>
        QueryTile.Transpose(queries, count, dim, factor, prepared);

    // Rows are widened first: those of one tile may lie in different pages, whose channels have different steps.
    [SkipLocalsInit]
    public static void Score<TLanes, V>(byte* rows, TileAhead ahead, nint stride, int blockCount, float* prepared, float* scales, float* scores)
        where TLanes : struct, IFloatLanes<V>
        where V : struct
    {
        var padded = blockCount * RowBlocks.Elements;
        var scratch = stackalloc byte[TLanes.Count * padded * sizeof(float) + CacheLines.Bytes];
        var widened = CacheLines.Align(scratch);
        for (var i = 0; i < TLanes.Count; i++, rows += stride)
        {
            var channels = ((float**)scales)[i];
            for (nint d = 0; d < padded; d += TLanes.Count)
                TLanes.Store(Load<TLanes, V>(rows, channels, d), widened + i * padded + d);
            for (nint at = 0; at < stride; at += CacheLines.Bytes)
                ahead.Ask(i * stride + at, CacheLines.Bytes);
        }

        KvF32Codec.Score<TLanes, V>((byte*)widened, new TileAhead((byte*)widened), padded * sizeof(float), blockCount, prepared, scales, scores);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float* Channels(byte* row) => *(float*)row == 0 ? (float*)(row + ((int*)row)[1]) : null;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V Load<TLanes, V>(byte* row, float* channels, nint index)
        where TLanes : struct, IFloatLanes<V>
        where V : struct
    {
        var codes = TLanes.LoadInt8((sbyte*)row + HeadBytes + index);
        if (channels is null)
            return TLanes.Multiply(TLanes.Subtract(codes, TLanes.Broadcast(((float*)row)[1])), TLanes.Broadcast(*(float*)row));
        var group = channels + index + (index & -ChannelGroup);
        return TLanes.Multiply(TLanes.Subtract(codes, TLanes.Load(group + ChannelGroup)), TLanes.Load(group));
    }
}

/// <summary>
/// Where 256 evenly spaced steps lie (ALISA, arXiv 2403.17312, equation 7, with codes from -128 instead of 0): element = (code - zero) * step. The zero is a
/// whole number and may lie far outside of the codes, so that a range does not have to contain 0.
/// </summary>
/// <param name="Step">1 for a range without width, whose elements have the code 0 and are exact; NaN when an element was none or infinite.</param>
internal readonly record struct Int8Range(float Step, float Zero)
{
    private const int Steps = 255;
    private const int LeastCode = -128;
    private const float SmallestStep = 1.17549435e-38f; // the smallest normal float

    public static Int8Range Of(float least, float most)
    {
        var step = (float)(((double)most - least) / Steps);
        if (!float.IsFinite(step))
            return new Int8Range(float.NaN, 0);
        return step < SmallestStep ? new Int8Range(1, -least) : new Int8Range(step, LeastCode + MathF.Round(-least / step));
    }
}

/// <summary>Elements to signed bytes.</summary>
internal static unsafe class Int8Codes
{
    // 1.5 * 2^23: added to a small number, it leaves the nearest integer in the low bits.
    private const float RoundingShift = 12582912f;

    /// <summary>codes[i] = elements[i] * inverses[i] + zeros[i], rounded to nearest even and limited to a byte.</summary>
    /// <param name="count">A multiple of 32.</param>
    public static void Encode(float* elements, float* inverses, float* zeros, int count, sbyte* codes)
    {
        for (var i = 0; i < count; i += 4 * Vector256<float>.Count)
        {
            var lower = Vector256.Narrow(Rounded(elements, inverses, zeros, i), Rounded(elements, inverses, zeros, i + 8));
            var upper = Vector256.Narrow(Rounded(elements, inverses, zeros, i + 16), Rounded(elements, inverses, zeros, i + 24));
            Vector256.Narrow(lower, upper).Store(codes + i);
        }
    }

    private static Vector256<int> Rounded(float* elements, float* inverses, float* zeros, int i)
    {
        var code = Vector256.Load(elements + i) * Vector256.Load(inverses + i) + Vector256.Load(zeros + i);
        code = Vector256.Min(Vector256.Max(code, Vector256.Create(-128f)), Vector256.Create(127f));
        return (code + Vector256.Create(RoundingShift)).AsInt32();
    }
}
