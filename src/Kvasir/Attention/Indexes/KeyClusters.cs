using System.Numerics;
using Kvasir.Cache;
using Kvasir.Kernels.Attention;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Memory;

namespace Kvasir.Attention.Indexes;

/// <summary>Clusters of keys: of each the centroid and its rows, in ascending order; segment by segment, as they were clustered.</summary>
/// <param name="maxSegments">The most that there will be.</param>
internal sealed class KeyClusters(int dim, int maxSegments) : IDisposable
{
    private const int Alignment = 64;

    // Of a part: how many rows and clusters there are.
    private const int PartHeader = Alignment;
    private readonly NativeBlocks _memory = new(maxSegments);
    private readonly Segment[] _segments = new Segment[maxSegments];
    private readonly float[] _mean = new float[dim];
    private int _count;

    public long Bytes => _memory.Bytes;

    /// <summary>Clusters in all.</summary>
    public int Count => _count == 0 ? 0 : _segments[_count - 1].EndCluster;

    /// <summary>Where the last segment ends; 0 when there is none.</summary>
    public int EndRow => _count == 0 ? 0 : _segments[_count - 1].EndRow;

    /// <summary>Bytes of a segment.</summary>
    public static long BytesFor(int dim, int rows, int clusters) => CentroidBytes(dim, clusters) + (sizeof(int) * ((long)clusters + rows));

    /// <summary>Adds the clusters of rows that were clustered, in the order of centroids; none of them is empty.</summary>
    /// <param name="firstRow">Of the first row; the segment begins there or before.</param>
    /// <param name="endRow">Where the segment ends.</param>
    public void Add(KeyMeans means, int firstRow, int endRow)
    {
        var clusters = 0;
        foreach (var size in means.Sizes)
            clusters += size > 0 ? 1 : 0;
        var segment = Open(endRow, means.Rows, clusters);
        Span<int> places = stackalloc int[means.Count];
        var (cluster, end) = (0, 0);
        for (var i = 0; i < means.Count; i++)
        {
            places[i] = end;
            if (means.Sizes[i] == 0)
                continue;
            means.Mean(i, _mean);
            RowCodec.BF16.Encode(_mean, Centroid(segment, cluster));
            Ends(segment)[cluster++] = end += means.Sizes[i];
        }

        var rows = Rows(segment);
        for (var i = 0; i < means.Rows; i++)
            rows[places[means.Labels[i]]++] = firstRow + i;
    }

    /// <summary>Adds a segment without clusters: nothing but its end is known.</summary>
    public void AddEmpty(int endRow) => Open(endRow, 0, 0);

    /// <summary>Forgets the last segment.</summary>
    public void Drop()
    {
        _memory.Drop();
        _count--;
    }

    /// <summary>scores[g * count + c] = the product of query head g and the centroid of cluster c.</summary>
    /// <param name="queries">[group, dim]</param>
    public void Score(ReadOnlySpan<float> queries, Span<float> scores)
    {
        for (var i = 0; i < _count; i++)
        {
            var (first, clusters) = (FirstCluster(i), _segments[i].EndCluster - FirstCluster(i));
            if (clusters == 0)
                continue;
            var page = (int)BitOperations.RoundUpToPowerOf2((uint)clusters);
            var centroids = PagedRows.Alone([_memory.Block(i).Address], page, RowCodec.BF16, dim);
            AttentionScores.Rows(queries, centroids, new RowSet(0, clusters), 1, scores[first..], Count);
        }
    }

    /// <summary>The rows of a cluster, in ascending order.</summary>
    public ReadOnlySpan<int> RowsOf(int cluster)
    {
        var (low, high) = (0, _count - 1);
        while (low < high)
        {
            var middle = (low + high) / 2;
            (low, high) = cluster < _segments[middle].EndCluster ? (low, middle) : (middle + 1, high);
        }

        var ends = Ends(low);
        cluster -= FirstCluster(low);
        var first = cluster == 0 ? 0 : ends[cluster - 1];
        return Rows(low)[first..ends[cluster]];
    }

    /// <summary>Copies a segment.</summary>
    public void Write(int segment, NativeView part)
    {
        var block = _memory.Block(segment);
        (part.Span<int>(0, 2)[0], part.Span<int>(0, 2)[1]) = (_segments[segment].RowCount, _segments[segment].EndCluster - FirstCluster(segment));
        block.Span(0, (int)block.Bytes).CopyTo(part.Span(PartHeader, (int)block.Bytes));
    }

    /// <summary>Adds a segment as another has written it.</summary>
    public void Read(int endRow, NativeView part)
    {
        var (rows, clusters) = (part.Span<int>(0, 2)[0], part.Span<int>(0, 2)[1]);
        var block = _memory.Block(Open(endRow, rows, clusters));
        part.Span(PartHeader, (int)block.Bytes).CopyTo(block.Span(0, (int)block.Bytes));
    }

    /// <summary>Bytes of a part, at most.</summary>
    public static long PartBytes(int dim, int rows, int clusters) => PartHeader + Math.Max(1, BytesFor(dim, rows, clusters));

    /// <summary>Follows rows that were numbered anew: clusters keep their centroids, and lose the rows that are gone.</summary>
    public void Edited(RowEdit edit)
    {
        for (var segment = 0; segment < _count; segment++)
        {
            var rows = Rows(segment);
            var (kept, row) = (0, 0);
            foreach (ref var end in Ends(segment))
            {
                for (; row < end; row++)
                {
                    if (edit.Keeps(rows[row]))
                        rows[kept++] = edit.KeptBefore(rows[row]);
                }

                end = kept;
            }

            _segments[segment].EndRow = edit.KeptBefore(_segments[segment].EndRow);
        }
    }

    public void Dispose() => _memory.Dispose();

    private static long CentroidBytes(int dim, int clusters) => ((long)clusters * RowCodec.BF16.RowBytes(dim) + Alignment - 1) / Alignment * Alignment;

    private int FirstCluster(int segment) => segment == 0 ? 0 : _segments[segment - 1].EndCluster;

    private int Open(int endRow, int rows, int clusters)
    {
        _memory.Add(Math.Max(1, BytesFor(dim, rows, clusters)));
        _segments[_count] = new Segment { EndRow = endRow, RowCount = rows, EndCluster = Count + clusters };
        return _count++;
    }

    private Span<byte> Centroid(int segment, int cluster) =>
        _memory.Block(segment).Span((long)cluster * RowCodec.BF16.RowBytes(dim), RowCodec.BF16.RowBytes(dim));

    private Span<int> Ends(int segment)
    {
        var clusters = _segments[segment].EndCluster - FirstCluster(segment);
        return _memory.Block(segment).Span<int>(CentroidBytes(dim, clusters), clusters);
    }

    private Span<int> Rows(int segment)
    {
        var clusters = _segments[segment].EndCluster - FirstCluster(segment);
        return _memory.Block(segment).Span<int>(CentroidBytes(dim, clusters) + (sizeof(int) * (long)clusters), _segments[segment].RowCount);
    }

    private struct Segment
    {
        public int EndRow;
        public int RowCount;
        public int EndCluster;
    }
}
