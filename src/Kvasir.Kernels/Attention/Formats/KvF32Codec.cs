using System.Runtime.CompilerServices;
using Kvasir.Kernels.Elementwise;

namespace Kvasir.Kernels.Attention.Formats;

/// <summary>Rows as computed.</summary>
internal readonly unsafe struct KvF32Codec : IKvCodec
{
    public static bool HasScales => false;

    public static int CutElements => 16;

    public static RowSizes Parts(int dim) => new(RowBlocks.Count(dim) * RowBlocks.Elements * sizeof(float), 0);

    public static void Encode(ReadOnlySpan<float> row, StoredRow stored)
    {
        var destination = new Span<float>(stored.Codes, Parts(row.Length).CodeBytes / sizeof(float));
        row.CopyTo(destination);
        destination[row.Length..].Clear();
    }

    public static uint ScalePair(byte* scales, int pair) => 0x3F803F80;

    public static float* WidenScales<TLanes, V>(StoredRows rows, int blockCount, float* scales)
        where TLanes : struct, IFloatLanes<V>
        where V : struct => scales;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Load<TLanes, V>(byte* codes, nint index)
        where TLanes : struct, IFloatLanes<V>
        where V : struct => TLanes.Load((float*)codes + index);

    public static void Prepare(float* queries, int count, int dim, float factor, float* prepared) =>
        QueryTile.Transpose(queries, count, dim, factor, prepared);

    public static void Score<TLanes, V>(byte* rows, TileAhead ahead, nint stride, int blockCount, float* prepared, float* scales, float* scores)
        where TLanes : struct, IFloatLanes<V>
        where V : struct
    {
        var zero = TLanes.Broadcast(0);
        var (a, b, c, d) = (zero, zero, zero, zero);
        nint asked = 0;
        for (var end = rows + (nint)blockCount * RowBlocks.Elements * sizeof(float); rows < end; rows += 16, asked += 16 * TLanes.Count, prepared += 16)
        {
            ahead.Ask(asked, 16 * TLanes.Count);
            TLanes.LoadColumns(rows, stride, out var w, out var x, out var y, out var z);
            QueryTile.MultiplyAdd<TLanes, V>(w, prepared, ref a, ref b, ref c, ref d);
            QueryTile.MultiplyAdd<TLanes, V>(x, prepared + 4, ref a, ref b, ref c, ref d);
            QueryTile.MultiplyAdd<TLanes, V>(y, prepared + 8, ref a, ref b, ref c, ref d);
            QueryTile.MultiplyAdd<TLanes, V>(z, prepared + 12, ref a, ref b, ref c, ref d);
        }

        TLanes.Store(a, scores);
        TLanes.Store(b, scores + TLanes.Count);
        TLanes.Store(c, scores + 2 * TLanes.Count);
        TLanes.Store(d, scores + 3 * TLanes.Count);
    }
}
