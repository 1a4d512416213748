using Kvasir.Cache;
using Kvasir.Ground;
using Kvasir.Kernels.Attention;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Memory;

namespace Kvasir.Attention.Indexes;

/// <summary>
/// Two vectors for every full block of keys: an upper and a lower corner. The score of a block, the sum over elements of the larger of query * upper and
/// query * lower, is the product of those vectors, side by side, with the query's positive and negative parts, so that the kernels of attention compute it.
/// </summary>
internal sealed class BlockIndex : IDisposable
{
    private const int PageBlocks = 64;
    private readonly BlockSummary _summary;
    private readonly int _blockRows;
    private readonly int _dim;
    private readonly int _entryBytes;
    private readonly NativePages _pages;
    private readonly float[] _keys;
    private readonly float[] _entry;

    /// <param name="blockRows">Rows of a block.</param>
    public BlockIndex(BlockSummary summary, int blockRows, HeadPlace place)
    {
        (_summary, _blockRows, _dim) = (summary, blockRows, place.Dim);
        _entryBytes = RowCodec.BF16.RowBytes(2 * _dim);
        var maxBlocks = place.MaxRows / blockRows;
        _pages = new NativePages(_entryBytes * PageBlocks, (maxBlocks + PageBlocks - 1) / PageBlocks);
        _keys = new float[blockRows * _dim];
        _entry = new float[2 * _dim];
    }

    /// <summary>Full blocks so far.</summary>
    public int Count { get; private set; }

    public long Bytes => _pages.Bytes;

    /// <summary>Bytes of index for each token, once a page is full.</summary>
    public static double BytesPerToken(int dim, int blockRows) => (double)RowCodec.BF16.RowBytes(2 * dim) / blockRows;

    /// <summary>Bytes of the index of so many rows.</summary>
    public static long BytesFor(int dim, int blockRows, int rows) =>
        (long)NativePages.PagesFor(rows / blockRows, PageBlocks) * PageBlocks * RowCodec.BF16.RowBytes(2 * dim);

    /// <summary>Adds the blocks that are full now.</summary>
    public void Append(KvHead head, int rowCount)
    {
        _pages.Reserve((rowCount / _blockRows + PageBlocks - 1) / PageBlocks);
        for (; (Count + 1) * _blockRows <= rowCount; Count++)
            Summarize(head, Count);
    }

    /// <summary>Follows rows that were numbered anew: a block whose rows stayed together keeps its corners, others get new ones.</summary>
    /// <param name="head">With the rows that are left.</param>
    public void Edited(KvHead head, RowEdit edit)
    {
        // Blocks move towards the front, so that none is written over before it has moved.
        var (before, range, first) = (Count, 0, 0);
        for (Count = 0; (Count + 1) * _blockRows <= head.RowCount; Count++)
        {
            for (var row = Count * _blockRows; row >= first + edit.Kept(range).Count; range++)
                first += edit.Kept(range).Count;
            var (kept, inside) = (edit.Kept(range), (Count * _blockRows) - first);
            var (block, torn) = Math.DivRem(kept.First + inside, _blockRows);
            if (torn > 0 || inside + _blockRows > kept.Count || block >= before)
                Summarize(head, Count);
            else if (block != Count)
                Entry(block).CopyTo(Entry(Count));
        }

        Truncate(head.RowCount);
    }

    /// <summary>
    /// Where a part ends that begins at a row: behind the fewest rows that are whole blocks and whole pages of keys, or at the row itself within them.
    /// </summary>
    public static int PartEnd(int firstRow, int blockRows)
    {
        var rows = blockRows;
        while (rows % PagePool.PageTokens > 0)
            rows += blockRows;
        return firstRow % rows == 0 ? firstRow + rows : firstRow;
    }

    /// <summary>Bytes of the blocks of so many rows.</summary>
    public static long PartBytes(int dim, int blockRows, int rows) => (long)(rows / blockRows) * RowCodec.BF16.RowBytes(2 * dim);

    /// <summary>Copies the blocks of rows, which are there.</summary>
    public void Write(int firstRow, int rowCount, NativeView part)
    {
        for (var i = 0; i < rowCount / _blockRows; i++)
            Entry((firstRow / _blockRows) + i).CopyTo(part.Span((long)i * _entryBytes, _entryBytes));
    }

    /// <summary>Adds the next blocks, as another has written them.</summary>
    public void Read(int firstRow, int rowCount, NativeView part)
    {
        Invariant.Holds(firstRow == Count * _blockRows);
        _pages.Reserve(((firstRow + rowCount) / _blockRows + PageBlocks - 1) / PageBlocks);
        for (var i = 0; i < rowCount / _blockRows; i++, Count++)
            part.Span((long)i * _entryBytes, _entryBytes).CopyTo(Entry(Count));
    }

    /// <summary>Forgets the blocks that rows from <paramref name="rows"/> on belong to.</summary>
    public void Truncate(int rows)
    {
        Count = Math.Min(Count, rows / _blockRows);
        _pages.Truncate((Count + PageBlocks - 1) / PageBlocks);
    }

    /// <summary>scores[g * blocks + b] = the score of block first + b for query head g.</summary>
    /// <param name="queries">[group, dim]</param>
    /// <param name="parts">Room for [group, 2 * dim].</param>
    public void Score(ReadOnlySpan<float> queries, int first, int blocks, Span<float> parts, Span<float> scores)
    {
        var group = queries.Length / _dim;
        for (var g = 0; g < group; g++)
        {
            for (var i = 0; i < _dim; i++)
            {
                var x = queries[g * _dim + i];
                // Of a centroid both corners are the same.
                (parts[2 * g * _dim + i], parts[(2 * g + 1) * _dim + i]) = (MathF.Max(x, 0), MathF.Min(x, 0));
            }
        }

        var entries = PagedRows.Alone(_pages.Addresses, PageBlocks, RowCodec.BF16, 2 * _dim);
        AttentionScores.Rows(parts[..(2 * group * _dim)], entries, new RowSet(first, blocks), 1, scores, blocks);
    }

    public void Dispose() => _pages.Dispose();

    private Span<byte> Entry(int block) => _pages.Page<byte>(block / PageBlocks).Slice(block % PageBlocks * _entryBytes, _entryBytes);

    private void Summarize(KvHead head, int block)
    {
        var keys = head.Keys;
        for (var i = 0; i < _blockRows; i++)
            keys.Decode((block * _blockRows) + i, _keys.AsSpan(i * _dim, _dim));
        Summarize();
        RowCodec.BF16.Encode(_entry, Entry(block));
    }

    private void Summarize()
    {
        for (var i = 0; i < _dim; i++)
        {
            var (least, most, sum) = (float.PositiveInfinity, float.NegativeInfinity, 0f);
            for (var row = 0; row < _blockRows; row++)
            {
                var x = _keys[row * _dim + i];
                (least, most, sum) = (MathF.Min(least, x), MathF.Max(most, x), sum + x);
            }

            (_entry[i], _entry[_dim + i]) = _summary switch
            {
                BlockSummary.CuboidMax => (most, least),
                BlockSummary.Centroid => (sum / _blockRows, sum / _blockRows),
                _ => Around((least + most) / 2, i),
            };
        }
    }

    private (float Upper, float Lower) Around(float middle, int element)
    {
        var distance = 0f;
        for (var row = 0; row < _blockRows; row++)
            distance += MathF.Abs(_keys[row * _dim + element] - middle);
        return (middle + distance / _blockRows, middle - distance / _blockRows);
    }
}

/// <summary>
/// What is kept of a block of keys to score it by; the ways of Quest (cuboid max) and ArkVale (cuboid mean), between which PSA leaves the choice.
/// </summary>
internal enum BlockSummary
{
    /// <summary>The middle of each element's range, and the mean distance from it.</summary>
    CuboidMean,

    /// <summary>The range of each element: the score is no less than any key's.</summary>
    CuboidMax,

    /// <summary>The mean key.</summary>
    Centroid,
}
