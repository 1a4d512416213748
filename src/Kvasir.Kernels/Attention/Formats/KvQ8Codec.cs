using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Kvasir.Kernels.Elementwise;

namespace Kvasir.Kernels.Attention.Formats;

/// <summary>
/// Signed bytes in blocks of 32, each block with a scale: element = quant * scale, |quant| at most 127. A row's codes are its quants; its
/// scales lie apart, filled up to an even number of them: 64 and 4 bytes for 64 elements, 128 and 8 for 128. Scales are bf16, rounded up
/// before the quants are chosen, so that a scale costs no accuracy beyond a step that is up to 1/128 longer, and widening it is a shift. A
/// NaN or infinity in a block makes the whole block NaN; a block whose scale would be subnormal is stored as zeros.
/// </summary>
internal readonly unsafe struct KvQ8Codec : IKvCodec
{
    private const int LargestQuant = 127;
    private const int LargestWord = 32767;

    // 1.5 * 2^23: added to a small number, it leaves the nearest integer in the low bits.
    private const float RoundingShift = 12582912f;

    public static bool HasScales => true;

    public static RowSizes Parts(int dim) =>
        new(RowBlocks.Count(dim) * RowBlocks.Elements, ScalePairs(RowBlocks.Count(dim)) * sizeof(uint));

    public static void Encode(ReadOnlySpan<float> row, StoredRow stored)
    {
        var parts = Parts(row.Length);
        new Span<byte>(stored.Codes, parts.CodeBytes).Clear();
        new Span<byte>(stored.Scales, parts.ScaleBytes).Clear();
        var scales = (ushort*)stored.Scales;
        for (var start = 0; start < row.Length; start += RowBlocks.Elements)
        {
            var block = row.Slice(start, Math.Min(RowBlocks.Elements, row.Length - start));
            scales[start / RowBlocks.Elements] = EncodeBlock(block, (sbyte*)stored.Codes + start);
        }
    }

    /// <summary>Whole numbers of at most 127, as they are: scales are 1.</summary>
    public static void EncodeWhole(ReadOnlySpan<sbyte> row, StoredRow stored)
    {
        const ushort One = 0x3F80;
        var parts = Parts(row.Length);
        new Span<byte>(stored.Codes, parts.CodeBytes).Clear();
        row.CopyTo(new Span<sbyte>(stored.Codes, row.Length));
        new Span<ushort>(stored.Scales, parts.ScaleBytes / sizeof(ushort)).Fill(One);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint ScalePair(byte* scales, int pair) => ((uint*)scales)[pair];

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Load<TLanes, V>(byte* codes, nint index)
        where TLanes : struct, IFloatLanes<V>
        where V : struct => TLanes.LoadInt8((sbyte*)codes + index);

    public static float* WidenScales<TLanes, V>(StoredRows rows, int blockCount, float* scales)
        where TLanes : struct, IFloatLanes<V>
        where V : struct
    {
        // Four pairs at a time from the end of the scales backwards: the last reading may begin up to 12 bytes in front of them, in codes.
        const int AtOnce = 4;
        var first = scales + 2 * (AtOnce - 1) * TLanes.Count;
        for (var pair = ScalePairs(blockCount) - AtOnce; pair > -AtOnce; pair -= AtOnce)
        {
            TLanes.LoadColumns(rows.Scales, pair * sizeof(uint), out var w, out var x, out var y, out var z);
            var column = first + 2 * pair * TLanes.Count;
            TLanes.Store(TLanes.LowerBf16(w), column);
            TLanes.Store(TLanes.UpperBf16(w), column + TLanes.Count);
            TLanes.Store(TLanes.LowerBf16(x), column + 2 * TLanes.Count);
            TLanes.Store(TLanes.UpperBf16(x), column + 3 * TLanes.Count);
            TLanes.Store(TLanes.LowerBf16(y), column + 4 * TLanes.Count);
            TLanes.Store(TLanes.UpperBf16(y), column + 5 * TLanes.Count);
            TLanes.Store(TLanes.LowerBf16(z), column + 6 * TLanes.Count);
            TLanes.Store(TLanes.UpperBf16(z), column + 7 * TLanes.Count);
        }

        return first;
    }

    /// <summary>
    /// Queries as 16-bit integers with one scale each, behind them: the products with keys are exact, so all that is lost is half a unit in
    /// 32767 of the query's largest element. For every four elements there are two pairs: the even ones of four queries, then the odd ones.
    /// </summary>
    public static void Prepare(float* queries, int count, int dim, float factor, float* prepared)
    {
        QueryTile.Transpose(queries, count, dim, 1, prepared);
        var padded = RowBlocks.Count(dim) * RowBlocks.Elements;
        // Magnitudes compare as integers, and NaN as the largest of them; it, or an infinity, minus itself is NaN.
        var largestBits = Vector128<uint>.Zero;
        for (var d = 0; d < padded; d++)
            largestBits = Vector128.Max(largestBits, Vector128.Load((uint*)prepared + 4 * d) & Vector128.Create(0x7FFFFFFFu));
        var largest = largestBits.AsSingle();
        var scale = largest / LargestWord;
        var inverse = Vector128.ConditionalSelect(Vector128.GreaterThan(scale, Vector128.Create(1e-35f)), Vector128<float>.One / scale, default);
        for (var d = 0; d < padded; d += 4)
        {
            var elements = prepared + 4 * d;
            var (a, b) = (Rounded(elements, inverse), Rounded(elements + 4, inverse));
            var (c, e) = (Rounded(elements + 8, inverse), Rounded(elements + 12, inverse));
            var even = Vector128.ShiftLeft(c, 16) | (a & Vector128.Create(0xFFFFu));
            var odd = Vector128.ShiftLeft(e, 16) | (b & Vector128.Create(0xFFFFu));
            even.Store((uint*)prepared + 2 * d);
            odd.Store((uint*)prepared + 2 * d + 4);
        }

        (scale * factor + (largest - largest)).Store(prepared + 2 * padded);
    }

    public static void Score<TLanes, V>(byte* rows, TileAhead ahead, nint stride, int blockCount, float* prepared, float* scales, float* scores)
        where TLanes : struct, IFloatLanes<V>
        where V : struct
    {
        var zero = TLanes.Broadcast(0);
        var (a, b, c, d) = (zero, zero, zero, zero);
        var pairs = (int*)prepared;
        nint asked = 0;
        for (var end = rows + (nint)blockCount * RowBlocks.Elements; rows < end; rows += RowBlocks.Elements, scales += TLanes.Count)
        {
            var (e, f, g, h) = (zero, zero, zero, zero);
            for (var half = 0; half < RowBlocks.Elements; half += 16, asked += 16 * TLanes.Count, pairs += 32)
            {
                ahead.Ask(asked, 16 * TLanes.Count);
                TLanes.LoadColumns(rows + half, stride, out var w, out var x, out var y, out var z);
                AddProducts<TLanes, V>(w, pairs, ref e, ref f, ref g, ref h);
                AddProducts<TLanes, V>(x, pairs + 8, ref e, ref f, ref g, ref h);
                AddProducts<TLanes, V>(y, pairs + 16, ref e, ref f, ref g, ref h);
                AddProducts<TLanes, V>(z, pairs + 24, ref e, ref f, ref g, ref h);
            }

            var s = TLanes.Load(scales);
            a = TLanes.MultiplyAdd(TLanes.FromIntegers(e), s, a);
            b = TLanes.MultiplyAdd(TLanes.FromIntegers(f), s, b);
            c = TLanes.MultiplyAdd(TLanes.FromIntegers(g), s, c);
            d = TLanes.MultiplyAdd(TLanes.FromIntegers(h), s, d);
        }

        ahead.AskScales();
        var queryScales = (float*)pairs;
        TLanes.Store(TLanes.Multiply(a, TLanes.Broadcast(queryScales[0])), scores);
        TLanes.Store(TLanes.Multiply(b, TLanes.Broadcast(queryScales[1])), scores + TLanes.Count);
        TLanes.Store(TLanes.Multiply(c, TLanes.Broadcast(queryScales[2])), scores + 2 * TLanes.Count);
        TLanes.Store(TLanes.Multiply(d, TLanes.Broadcast(queryScales[3])), scores + 3 * TLanes.Count);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddProducts<TLanes, V>(V column, int* pairs, ref V a, ref V b, ref V c, ref V d)
        where TLanes : struct, IFloatLanes<V>
        where V : struct
    {
        var (even, odd) = (TLanes.EvenBytes(column), TLanes.OddBytes(column));
        a = TLanes.AddWordProducts(even, pairs, a);
        b = TLanes.AddWordProducts(even, pairs + 1, b);
        c = TLanes.AddWordProducts(even, pairs + 2, c);
        d = TLanes.AddWordProducts(even, pairs + 3, d);
        a = TLanes.AddWordProducts(odd, pairs + 4, a);
        b = TLanes.AddWordProducts(odd, pairs + 5, b);
        c = TLanes.AddWordProducts(odd, pairs + 6, c);
        d = TLanes.AddWordProducts(odd, pairs + 7, d);
    }

    private static Vector128<uint> Rounded(float* elements, Vector128<float> inverse) =>
        (Vector128.Load(elements) * inverse + Vector128.Create(RoundingShift)).AsUInt32();

    private static ushort EncodeBlock(ReadOnlySpan<float> block, sbyte* quants)
    {
        const float SmallestScale = 1.17549435e-38f; // the smallest normal float
        const ushort NaNScale = 0x7FC0;

        // Magnitudes compare as integers, and NaN as the largest of them.
        var largestBits = 0u;
        foreach (var x in block)
            largestBits = Math.Max(largestBits, BitConverter.SingleToUInt32Bits(x) & 0x7FFFFFFF);
        var largest = BitConverter.UInt32BitsToSingle(largestBits);
        if (!float.IsFinite(largest))
            return NaNScale;
        if (largest / LargestQuant < SmallestScale)
            return 0;
        var scale = (BitConverter.SingleToUInt32Bits(largest / LargestQuant) + 0xFFFF) >> 16;
        var inverse = 1 / BitConverter.UInt32BitsToSingle(scale << 16);
        for (var i = 0; i < block.Length; i++)
            quants[i] = (sbyte)BitConverter.SingleToInt32Bits(block[i] * inverse + RoundingShift);
        return (ushort)scale;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int ScalePairs(int blockCount) => (blockCount + 1) / 2;
}
