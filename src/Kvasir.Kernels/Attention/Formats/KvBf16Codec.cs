using System.Runtime.CompilerServices;
using Kvasir.Kernels.Elementwise;

namespace Kvasir.Kernels.Attention.Formats;

/// <summary>The upper half of each float, rounded to nearest even: widening is a shift.</summary>
internal readonly unsafe struct KvBf16Codec : IKvCodec
{
    public static bool HasScales => false;

    public static int CutElements => 16;

    public static RowSizes Parts(int dim) => new(RowBlocks.Count(dim) * RowBlocks.Elements * sizeof(ushort), 0);

    public static void Encode(ReadOnlySpan<float> row, StoredRow stored)
    {
        var destination = (ushort*)stored.Codes;
        for (var i = 0; i < row.Length; i++)
            destination[i] = Round(row[i]);
        new Span<ushort>(destination + row.Length, Parts(row.Length).CodeBytes / sizeof(ushort) - row.Length).Clear();
    }

    public static uint ScalePair(byte* scales, int pair) => 0x3F803F80;

    public static float* WidenScales<TLanes, V>(StoredRows rows, int blockCount, float* scales)
        where TLanes : struct, IFloatLanes<V>
        where V : struct => scales;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Load<TLanes, V>(byte* codes, nint index)
        where TLanes : struct, IFloatLanes<V>
        where V : struct => TLanes.LoadBf16((ushort*)codes + index);

    public static void Prepare(float* queries, int count, int dim, float factor, float* prepared) =>
        QueryTile.Transpose(queries, count, dim, factor, prepared);

    // Two sums for each query: one would wait for its own latency.
    public static void Score<TLanes, V>(byte* rows, TileAhead ahead, nint stride, int blockCount, float* prepared, float* scales, float* scores)
        where TLanes : struct, IFloatLanes<V>
        where V : struct
    {
        var zero = TLanes.Broadcast(0);
        var (a, b, c, d) = (zero, zero, zero, zero);
        var (e, f, g, h) = (zero, zero, zero, zero);
        nint asked = 0;
        for (var end = rows + (nint)blockCount * RowBlocks.Elements * sizeof(ushort); rows < end; rows += 16, asked += 16 * TLanes.Count, prepared += 32)
        {
            ahead.Ask(asked, 16 * TLanes.Count);
            TLanes.LoadColumns(rows, stride, out var w, out var x, out var y, out var z);
            QueryTile.MultiplyAdd<TLanes, V>(TLanes.LowerBf16(w), prepared, ref a, ref b, ref c, ref d);
            QueryTile.MultiplyAdd<TLanes, V>(TLanes.UpperBf16(w), prepared + 4, ref e, ref f, ref g, ref h);
            QueryTile.MultiplyAdd<TLanes, V>(TLanes.LowerBf16(x), prepared + 8, ref a, ref b, ref c, ref d);
            QueryTile.MultiplyAdd<TLanes, V>(TLanes.UpperBf16(x), prepared + 12, ref e, ref f, ref g, ref h);
            QueryTile.MultiplyAdd<TLanes, V>(TLanes.LowerBf16(y), prepared + 16, ref a, ref b, ref c, ref d);
            QueryTile.MultiplyAdd<TLanes, V>(TLanes.UpperBf16(y), prepared + 20, ref e, ref f, ref g, ref h);
            QueryTile.MultiplyAdd<TLanes, V>(TLanes.LowerBf16(z), prepared + 24, ref a, ref b, ref c, ref d);
            QueryTile.MultiplyAdd<TLanes, V>(TLanes.UpperBf16(z), prepared + 28, ref e, ref f, ref g, ref h);
        }

        TLanes.Store(TLanes.Add(a, e), scores);
        TLanes.Store(TLanes.Add(b, f), scores + TLanes.Count);
        TLanes.Store(TLanes.Add(c, g), scores + 2 * TLanes.Count);
        TLanes.Store(TLanes.Add(d, h), scores + 3 * TLanes.Count);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ushort Round(float value)
    {
        const uint QuietBit = 0x40;
        var bits = BitConverter.SingleToUInt32Bits(value);
        // A NaN whose payload lies in the lower half would be cut to infinity, or rounded up into a negative zero.
        var rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16;
        return (ushort)(float.IsNaN(value) ? (bits >> 16) | QuietBit : rounded);
    }
}
