using System.Runtime.CompilerServices;
using Kvasir.Kernels.Elementwise;

namespace Kvasir.Kernels.Attention;

/// <summary>
/// Products with a small panel of widened rows that stays in the cache: c[m, n] += sum over k of a[m, k] * panel[k, n]. Both
/// halves of attention are this: scores with the transposed keys as panel, outputs with the values.
/// </summary>
internal static unsafe class PanelProduct<TLanes, V>
    where TLanes : struct, ILanes<V>
    where V : struct
{
    // Sixteen accumulators where there are 32 registers, eight where there are 16.
    private const int MostTileRows = 8;

    private static int TileRows => TLanes.Count == 16 ? MostTileRows : 4;

    private static int TileColumns => 2 * TLanes.Count;

    /// <summary>The row length of a panel of <paramref name="columns"/> columns: a multiple of 32, which is a whole number of tiles.</summary>
    public static int Width(int columns) => KvCodecs.BlockCount(columns) * KvCodecs.BlockElements;

    /// <param name="a">[m, k], rows aStride apart.</param>
    /// <param name="aStride">Elements.</param>
    /// <param name="panel">[k, Width(n)]; what stands in columns from n on does not matter.</param>
    /// <param name="c">[m, n], rows cStride apart.</param>
    /// <param name="cStride">Elements.</param>
    /// <param name="m">Rows of a and c.</param>
    /// <param name="k">Columns of a, rows of the panel.</param>
    /// <param name="n">Columns of c.</param>
    [SkipLocalsInit]
    public static void Add(float* a, int aStride, float* panel, float* c, int cStride, int m, int k, int n)
    {
        var (width, whole) = (Width(n), n / TileColumns * TileColumns);
        // The last columns of c may be fewer than a tile: that tile works on a copy.
        var edge = stackalloc float[MostTileRows * TileColumns];
        for (var i = 0; i < m;)
        {
            var rows = m - i >= TileRows ? TileRows : 1;
            float* ai = a + (long)i * aStride, ci = c + (long)i * cStride;
            for (var j = 0; j < whole; j += TileColumns)
                Tile(ai, aStride, panel + j, width, ci + j, cStride, rows, k);
            if (whole < n)
            {
                Copy(ci + whole, cStride, edge, TileColumns, rows, n - whole);
                Tile(ai, aStride, panel + whole, width, edge, TileColumns, rows, k);
                Copy(edge, TileColumns, ci + whole, cStride, rows, n - whole);
            }

            i += rows;
        }
    }

    private static void Tile(float* a, int aStride, float* panel, int width, float* c, int cStride, int rows, int k)
    {
        if (rows == 8)
            Tile8(a, aStride, panel, width, c, cStride, k);
        else if (rows == 4)
            Tile4(a, aStride, panel, width, c, cStride, k);
        else
            Tile1(a, panel, width, c, k);
    }

    private static void Copy(float* source, int sourceStride, float* destination, int destinationStride, int rows, int columns)
    {
        for (var i = 0; i < rows; i++)
            new ReadOnlySpan<float>(source + (long)i * sourceStride, columns).CopyTo(new Span<float>(destination + (long)i * destinationStride, columns));
    }

    private static void Tile1(float* a, float* panel, int width, float* c, int k)
    {
        var (low, high) = (TLanes.Load(c), TLanes.Load(c + TLanes.Count));
        for (var i = 0; i < k; i++, panel += width)
        {
            var x = TLanes.Broadcast(a[i]);
            low = TLanes.MultiplyAdd(x, TLanes.Load(panel), low);
            high = TLanes.MultiplyAdd(x, TLanes.Load(panel + TLanes.Count), high);
        }

        TLanes.Store(low, c);
        TLanes.Store(high, c + TLanes.Count);
    }

    private static void Tile4(float* a, int aStride, float* panel, int width, float* c, int cStride, int k)
    {
        float* c0 = c, c1 = c0 + cStride, c2 = c1 + cStride, c3 = c2 + cStride;
        float* a1 = a + aStride, a2 = a1 + aStride, a3 = a2 + aStride;
        var n = TLanes.Count;
        var (s0, t0, s1, t1) = (TLanes.Load(c0), TLanes.Load(c0 + n), TLanes.Load(c1), TLanes.Load(c1 + n));
        var (s2, t2, s3, t3) = (TLanes.Load(c2), TLanes.Load(c2 + n), TLanes.Load(c3), TLanes.Load(c3 + n));
        for (nint i = 0; i < k; i++, panel += width)
        {
            var (p, q) = (TLanes.Load(panel), TLanes.Load(panel + n));
            var x = TLanes.Broadcast(a[i]);
            s0 = TLanes.MultiplyAdd(x, p, s0);
            t0 = TLanes.MultiplyAdd(x, q, t0);
            x = TLanes.Broadcast(a1[i]);
            s1 = TLanes.MultiplyAdd(x, p, s1);
            t1 = TLanes.MultiplyAdd(x, q, t1);
            x = TLanes.Broadcast(a2[i]);
            s2 = TLanes.MultiplyAdd(x, p, s2);
            t2 = TLanes.MultiplyAdd(x, q, t2);
            x = TLanes.Broadcast(a3[i]);
            s3 = TLanes.MultiplyAdd(x, p, s3);
            t3 = TLanes.MultiplyAdd(x, q, t3);
        }

        StorePair(s0, t0, c0);
        StorePair(s1, t1, c1);
        StorePair(s2, t2, c2);
        StorePair(s3, t3, c3);
    }

    private static void Tile8(float* a, int aStride, float* panel, int width, float* c, int cStride, int k)
    {
        float* c0 = c, c1 = c0 + cStride, c2 = c1 + cStride, c3 = c2 + cStride;
        float* c4 = c3 + cStride, c5 = c4 + cStride, c6 = c5 + cStride, c7 = c6 + cStride;
        float* a1 = a + aStride, a2 = a1 + aStride, a3 = a2 + aStride;
        float* a4 = a3 + aStride, a5 = a4 + aStride, a6 = a5 + aStride, a7 = a6 + aStride;
        var n = TLanes.Count;
        var (s0, t0, s1, t1) = (TLanes.Load(c0), TLanes.Load(c0 + n), TLanes.Load(c1), TLanes.Load(c1 + n));
        var (s2, t2, s3, t3) = (TLanes.Load(c2), TLanes.Load(c2 + n), TLanes.Load(c3), TLanes.Load(c3 + n));
        var (s4, t4, s5, t5) = (TLanes.Load(c4), TLanes.Load(c4 + n), TLanes.Load(c5), TLanes.Load(c5 + n));
        var (s6, t6, s7, t7) = (TLanes.Load(c6), TLanes.Load(c6 + n), TLanes.Load(c7), TLanes.Load(c7 + n));
        for (nint i = 0; i < k; i++, panel += width)
        {
            var (p, q) = (TLanes.Load(panel), TLanes.Load(panel + n));
            var x = TLanes.Broadcast(a[i]);
            s0 = TLanes.MultiplyAdd(x, p, s0);
            t0 = TLanes.MultiplyAdd(x, q, t0);
            x = TLanes.Broadcast(a1[i]);
            s1 = TLanes.MultiplyAdd(x, p, s1);
            t1 = TLanes.MultiplyAdd(x, q, t1);
            x = TLanes.Broadcast(a2[i]);
            s2 = TLanes.MultiplyAdd(x, p, s2);
            t2 = TLanes.MultiplyAdd(x, q, t2);
            x = TLanes.Broadcast(a3[i]);
            s3 = TLanes.MultiplyAdd(x, p, s3);
            t3 = TLanes.MultiplyAdd(x, q, t3);
            x = TLanes.Broadcast(a4[i]);
            s4 = TLanes.MultiplyAdd(x, p, s4);
            t4 = TLanes.MultiplyAdd(x, q, t4);
            x = TLanes.Broadcast(a5[i]);
            s5 = TLanes.MultiplyAdd(x, p, s5);
            t5 = TLanes.MultiplyAdd(x, q, t5);
            x = TLanes.Broadcast(a6[i]);
            s6 = TLanes.MultiplyAdd(x, p, s6);
            t6 = TLanes.MultiplyAdd(x, q, t6);
            x = TLanes.Broadcast(a7[i]);
            s7 = TLanes.MultiplyAdd(x, p, s7);
            t7 = TLanes.MultiplyAdd(x, q, t7);
        }

        StorePair(s0, t0, c0);
        StorePair(s1, t1, c1);
        StorePair(s2, t2, c2);
        StorePair(s3, t3, c3);
        StorePair(s4, t4, c4);
        StorePair(s5, t5, c5);
        StorePair(s6, t6, c6);
        StorePair(s7, t7, c7);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StorePair(V low, V high, float* destination)
    {
        TLanes.Store(low, destination);
        TLanes.Store(high, destination + TLanes.Count);
    }
}
