using System.Runtime.CompilerServices;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Elementwise;

namespace Kvasir.Kernels.Attention;

/// <summary>
/// Rows of few bits are scored and summed as they lie, in registers: keys whose pages share a range for each channel where several of a page are wanted,
/// values with ranges of their own wherever they are. Other rows, and rows for many queries, are widened first. The newest rows are read as bf16.
/// </summary>
internal unsafe class PackedKernels<TBits, TLanes, V>(bool byChannel)
    : WidenedKernels(new LaneKernels<KvF32Codec, TLanes, V>())
    where TBits : struct, IPackedBits
    where TLanes : struct, IFloatLanes<V>
    where V : struct
{
    // From here on widening a row once costs less than unpacking it for every four queries; two planes take twice as long to unpack.
    private static int FewQueries => TBits.Planes == 2 ? 12 : 24;

    // A page's ranges are multiplied into queries for all of its rows that are read: for fewer, widening these costs less.
    private const int LeastRun = 8;

    // Weights of a block fit into the first level of caches.
    private const int BlockRows = PackedValues<TBits, TLanes, V>.BlockRows;

    private readonly LaneKernels<KvBf16Codec, TLanes, V> _newest = new();

    public override void Score(float* queries, int queryCount, PagedRows keys, RowSet rows, float factor, float* scores, int stride)
    {
        if (rows.IsRange && rows[0] + rows.Count > keys.FirstNewest)
        {
            var packed = Math.Max(0, keys.FirstNewest - rows[0]);
            if (packed > 0)
                ScorePacked(queries, queryCount, keys, new RowSet(rows[0], packed), factor, scores, stride);
            var newest = keys.Newest(out var first);
            _newest.Score(queries, queryCount, newest, new RowSet(rows[0] + packed - first, rows.Count - packed), factor, scores + packed, stride);
            return;
        }

        ScorePacked(queries, queryCount, keys, rows, factor, scores, stride);
    }

    public override void AddWeighted(float* weights, int stride, PagedRows values, RowSet rows, float* outputs, int queryCount)
    {
        if (byChannel || queryCount >= FewQueries)
        {
            base.AddWeighted(weights, stride, values, rows, outputs, queryCount);
            return;
        }

        if (!rows.IsRange || rows[0] + rows.Count <= values.FirstNewest)
        {
            AddPacked(weights, stride, values, rows, outputs, queryCount);
            return;
        }

        var packed = Math.Max(0, values.FirstNewest - rows[0]);
        if (packed > 0)
            AddPacked(weights, stride, values, new RowSet(rows[0], packed), outputs, queryCount);
        var newest = values.Newest(out var first);
        _newest.AddWeighted(weights + packed, stride, newest, new RowSet(rows[0] + packed - first, rows.Count - packed), outputs, queryCount);
    }

    public override void Widen(StoredRow stored, int blockCount, float* row)
    {
        if (stored.Scales == null)
        {
            _newest.Widen(stored, blockCount, row);
            return;
        }

        for (nint d = 0; d < blockCount * RowBlocks.Elements; d += TLanes.Count)
        {
            var ranges = byChannel ? TLanes.Load((float*)stored.Scales + d) : TLanes.Broadcast(((float*)stored.Scales)[d / RowBlocks.Elements]);
            var scale = TLanes.LowerBf16(ranges);
            var codes = TBits.Load<TLanes, V>(stored.Codes, (nint)(stored.Lower - stored.Codes), d);
            var rest = TLanes.Subtract(TLanes.UpperBf16(ranges), TLanes.Multiply(scale, TLanes.Broadcast(TBits.Origin)));
            TLanes.Store(TLanes.MultiplyAdd(scale, codes, rest), row + d);
        }
    }

    private void ScorePacked(float* queries, int queryCount, PagedRows keys, RowSet rows, float factor, float* scores, int stride)
    {
        if (!byChannel || queryCount >= FewQueries || keys.Layout.ScaleStride != 0)
        {
            base.Score(queries, queryCount, keys, rows, factor, scores, stride);
            return;
        }

        for (var q = 0; q < queryCount; q += PackedScores<TBits, TLanes, V>.Queries)
        {
            var count = Math.Min(PackedScores<TBits, TLanes, V>.Queries, queryCount - q);
            ScoreRuns(queries + q * keys.Dim, count, keys, rows, factor, scores + (long)q * stride, stride);
        }
    }

    // Items in a row that are rows in a row of one page are a run; what lies between long ones is widened.
    [SkipLocalsInit]
    private void ScoreRuns(float* queries, int queryCount, PagedRows keys, RowSet rows, float factor, float* scores, int stride)
    {
        var space = stackalloc float[PackedScores<TBits, TLanes, V>.Floats(keys.Dim)];
        var tile = new PackedScores<TBits, TLanes, V>(queries, queryCount, keys.Dim, factor, space);
        var waiting = 0;
        var i = 0;
        while (i < rows.Count)
        {
            var count = Run(keys, rows, i);
            var scored = count < LeastRun ? 0 : ScorePages(tile, keys, Together(rows, i, count), scores + i, stride);
            if (scored > 0)
            {
                ScoreWidened(queries, queryCount, keys, rows, (waiting, i - waiting), factor, scores, stride);
                i += scored;
                waiting = i;
                continue;
            }

            if (count >= LeastRun)
            {
                ScoreWidened(queries, queryCount, keys, rows, (waiting, i - waiting), factor, scores, stride);
                tile.Score(keys.Row(rows[i], out _), keys.Layout.Stride, count, scores + i, stride);
                waiting = i + count;
            }

            i += count;
        }

        ScoreWidened(queries, queryCount, keys, rows, (waiting, i - waiting), factor, scores, stride);
    }

    /// <summary>Scores whole pages at the beginning of rows that follow one another, as far as it knows how to; says of how many rows.</summary>
    private protected virtual int ScorePages(in PackedScores<TBits, TLanes, V> tile, PagedRows keys, RowSet rows, float* scores, int stride) => 0;

    // All that is left of a range; of a list its run.
    private static RowSet Together(RowSet rows, int item, int run) =>
        rows.IsRange ? new RowSet(rows[item], rows.Count - item, rows.Following) : new RowSet(rows[item], run);

    private static int Run(PagedRows keys, RowSet rows, int item)
    {
        var first = rows[item];
        if (first >= keys.FirstNewest)
            return 1;
        keys.Row(first, out var most);
        most = Math.Min(Math.Min(most, keys.FirstNewest - first), rows.Count - item);
        if (rows.IsRange)
            return most;
        var count = 1;
        while (count < most && rows[item + count] == first + count)
            count++;
        return count;
    }

    private void ScoreWidened(
        float* queries, int queryCount, PagedRows keys, RowSet rows, (int First, int Count) items, float factor, float* scores, int stride)
    {
        if (items.Count > 0)
            base.Score(queries, queryCount, keys, rows.Part(items.First, items.Count), factor, scores + items.First, stride);
    }

    /// <summary>Adds weighted rows of few bits, and of a list those that are kept as bf16.</summary>
    [SkipLocalsInit]
    private protected virtual void AddPacked(float* weights, int stride, PagedRows values, RowSet rows, float* outputs, int queryCount)
    {
        var addresses = stackalloc byte*[2 * BlockRows];
        var located = new StoredRows(addresses, addresses + BlockRows);
        var row = stackalloc float[RowBlocks.Count(values.Dim) * RowBlocks.Elements];
        for (var i = 0; i < rows.Count; i += BlockRows)
        {
            var count = Math.Min(BlockRows, rows.Count - i);
            rows.Locate(values, i, BlockRows, located);
            byte* stored = null;
            for (var r = 0; r < count; r++)
            {
                if (located.Scales[r] == null)
                    AddNewest(located[r], weights + i + r, stride, row, outputs, (queryCount, values.Dim));
                else
                    stored = located.Codes[r];
            }

            // What is kept elsewhere counts for nothing here, and has no second plane to be read.
            for (var r = 0; r < count && stored != null; r++)
                located.Codes[r] = located.Scales[r] == null ? stored : located.Codes[r];
            if (stored != null)
                AddInFloats(weights + i, stride, (located, values.Layout.Lower), (queryCount, count), values.Dim, outputs);
        }
    }

    /// <summary>Adds at most <see cref="BlockRows"/> weighted rows; those without scales count for nothing.</summary>
    [SkipLocalsInit]
    private protected static void AddInFloats(
        float* weights, int stride, (StoredRows Stored, int Lower) rows, (int Queries, int Rows) count, int dim, float* outputs)
    {
        var scaled = stackalloc float[PackedValues<TBits, TLanes, V>.Floats(dim)];
        for (var q = 0; q < count.Queries; q += PackedValues<TBits, TLanes, V>.Queries)
        {
            var tile = new PackedValues<TBits, TLanes, V>(rows.Stored, rows.Lower, count.Rows, dim, scaled);
            var own = Math.Min(PackedValues<TBits, TLanes, V>.Queries, count.Queries - q);
            tile.Add(weights + (long)q * stride, stride, outputs + (long)q * dim, own);
        }
    }

    // One of a list that is kept as bf16; those of a range have kernels of their own.
    private void AddNewest(StoredRow stored, float* weight, int stride, float* row, float* outputs, (int Queries, int Dim) count)
    {
        _newest.Widen(stored, RowBlocks.Count(count.Dim), row);
        for (var q = 0; q < count.Queries; q++, weight += stride, outputs += count.Dim)
        {
            for (var d = 0; d < count.Dim; d++)
                outputs[d] += *weight * row[d];
        }
    }
}
