using System.Runtime.CompilerServices;
using Kvasir.Kernels.Elementwise;

namespace Kvasir.Kernels.Attention;

/// <summary>
/// Products with a panel of widened rows that stays in the first cache level: c[m, n] (+)= sum over k of a[m, k] * panel[k, n]. Both
/// halves of attention are this: scores with the transposed keys as panel, outputs with the values. A panel is stored tile by tile, 32
/// columns wide, so that a tile reads it from end to end.
/// </summary>
internal static unsafe class PanelProduct<TLanes, V>
    where TLanes : struct, IFloatLanes<V>
    where V : struct
{
    // Sixteen accumulators where there are 32 registers, eight where there are 16.
    private const int MostTileRows = 8;

    private static int TileRows => TLanes.Count == 16 ? MostTileRows : 4;

    private static int TileColumns => 2 * TLanes.Count;

    /// <summary>Rows of the cache in a panel: what leaves a third of a 48-KiB cache to the other operands, and at least one tile.</summary>
    public static int MostRows(int blockCount)
    {
        const int PanelBlocks = 256;
        return Math.Max(RowBlocks.Elements, PanelBlocks / blockCount / RowBlocks.Elements * RowBlocks.Elements);
    }

    /// <param name="a">[m, k], rows aStride apart.</param>
    /// <param name="aStride">Elements.</param>
    /// <param name="panel">[n / 32, k, 32], rounded up; what stands in columns from n on does not matter.</param>
    /// <param name="target">c: [m, n].</param>
    /// <param name="m">Rows of a and c.</param>
    /// <param name="k">Columns of a, rows of the panel.</param>
    /// <param name="n">Columns of c.</param>
    [SkipLocalsInit]
    public static void Run(float* a, int aStride, float* panel, in PanelTarget target, int m, int k, int n)
    {
        // The last columns of c may be fewer than a tile: that tile works on a copy.
        var edge = stackalloc float[MostTileRows * TileColumns];
        var copy = new PanelTarget(edge, TileColumns, target.IsFresh);
        for (var i = 0; i < m;)
        {
            var rows = m - i >= TileRows ? TileRows : 1;
            var strip = a + (long)i * aStride;
            for (var j = 0; j < n; j += TileColumns)
            {
                var columns = panel + (j & -RowBlocks.Elements) * k + j % RowBlocks.Elements;
                if (j + TileColumns <= n)
                {
                    Tile(strip, aStride, columns, target.At(i, j), rows, k);
                    continue;
                }

                Copy(target.At(i, j), copy, rows, n - j);
                Tile(strip, aStride, columns, copy, rows, k);
                Copy(copy, target.At(i, j), rows, n - j);
            }

            i += rows;
        }
    }

    private static void Tile(float* a, int aStride, float* panel, in PanelTarget c, int rows, int k)
    {
        if (rows == 8)
            Tile8(a, aStride, panel, c, k);
        else if (rows == 4)
            Tile4(a, aStride, panel, c, k);
        else
            Tile1(a, panel, c, k);
    }

    private static void Copy(in PanelTarget source, in PanelTarget destination, int rows, int columns)
    {
        for (var i = 0; i < rows; i++)
            new ReadOnlySpan<float>(source.First + (long)i * source.Stride, columns)
                .CopyTo(new Span<float>(destination.First + (long)i * destination.Stride, columns));
    }

    private static void Tile1(float* a, float* panel, in PanelTarget c, int k)
    {
        var zero = TLanes.Broadcast(0);
        var (low, high) = c.IsFresh ? (zero, zero) : (TLanes.Load(c.First), TLanes.Load(c.First + TLanes.Count));
        for (var i = 0; i < k; i++, panel += RowBlocks.Elements)
        {
            var x = TLanes.Broadcast(a[i]);
            low = TLanes.MultiplyAdd(x, TLanes.Load(panel), low);
            high = TLanes.MultiplyAdd(x, TLanes.Load(panel + TLanes.Count), high);
        }

        StorePair(low, high, c.First);
    }

    private static void Tile4(float* a, int aStride, float* panel, in PanelTarget target, int k)
    {
        float* c0 = target.First, c1 = c0 + target.Stride, c2 = c1 + target.Stride, c3 = c2 + target.Stride;
        float* a1 = a + aStride, a2 = a1 + aStride, a3 = a2 + aStride;
        var n = TLanes.Count;
        var zero = TLanes.Broadcast(0);
        var (s0, t0, s1, t1) = (zero, zero, zero, zero);
        var (s2, t2, s3, t3) = (zero, zero, zero, zero);
        if (!target.IsFresh)
        {
            (s0, t0, s1, t1) = (TLanes.Load(c0), TLanes.Load(c0 + n), TLanes.Load(c1), TLanes.Load(c1 + n));
            (s2, t2, s3, t3) = (TLanes.Load(c2), TLanes.Load(c2 + n), TLanes.Load(c3), TLanes.Load(c3 + n));
        }

        for (nint i = 0; i < k; i++, panel += RowBlocks.Elements)
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

    private static void Tile8(float* a, int aStride, float* panel, in PanelTarget target, int k)
    {
        float* c0 = target.First, c1 = c0 + target.Stride, c2 = c1 + target.Stride, c3 = c2 + target.Stride;
        float* c4 = c3 + target.Stride, c5 = c4 + target.Stride, c6 = c5 + target.Stride, c7 = c6 + target.Stride;
        float* a1 = a + aStride, a2 = a1 + aStride, a3 = a2 + aStride, a4 = a3 + aStride, a5 = a4 + aStride, a6 = a5 + aStride, a7 = a6 + aStride;
        var n = TLanes.Count;
        var zero = TLanes.Broadcast(0);
        var (s0, t0, s1, t1) = (zero, zero, zero, zero);
        var (s2, t2, s3, t3) = (zero, zero, zero, zero);
        var (s4, t4, s5, t5) = (zero, zero, zero, zero);
        var (s6, t6, s7, t7) = (zero, zero, zero, zero);
        if (!target.IsFresh)
        {
            (s0, t0, s1, t1) = (TLanes.Load(c0), TLanes.Load(c0 + n), TLanes.Load(c1), TLanes.Load(c1 + n));
            (s2, t2, s3, t3) = (TLanes.Load(c2), TLanes.Load(c2 + n), TLanes.Load(c3), TLanes.Load(c3 + n));
            (s4, t4, s5, t5) = (TLanes.Load(c4), TLanes.Load(c4 + n), TLanes.Load(c5), TLanes.Load(c5 + n));
            (s6, t6, s7, t7) = (TLanes.Load(c6), TLanes.Load(c6 + n), TLanes.Load(c7), TLanes.Load(c7 + n));
        }

        for (nint i = 0; i < k; i++, panel += RowBlocks.Elements)
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

/// <summary>Where a product goes: rows of floats, <paramref name="stride"/> elements apart.</summary>
/// <param name="first">The first element.</param>
/// <param name="stride">Elements from one row to the next.</param>
/// <param name="isFresh">Whether what stands there is replaced; otherwise the product is added to it.</param>
internal readonly unsafe struct PanelTarget(float* first, int stride, bool isFresh)
{
    public readonly float* First = first;
    public readonly int Stride = stride;
    public readonly bool IsFresh = isFresh;

    public PanelTarget At(int row, int column) => new(First + (long)row * Stride + column, Stride, IsFresh);
}
