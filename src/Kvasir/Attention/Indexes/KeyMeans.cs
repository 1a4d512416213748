using Kvasir.Cache;
using Kvasir.Ground;
using Kvasir.Kernels.Attention;
using Kvasir.Kernels.Elementwise;
using Kvasir.Kernels.Memory;
using Kvasir.Kernels.Sampling;

namespace Kvasir.Attention.Indexes;

/// <summary>
/// k-means over the keys of some rows, a few rows after the other: a key belongs to the centroid with the highest cosine, and a centroid is the mean of its
/// keys. It begins with keys at even distances, and ends when no key changes its centroid, or after so many passes. What comes of it does not depend on how it
/// was sliced.
/// </summary>
/// <param name="mostPasses">At least 1.</param>
internal sealed class KeyMeans(int dim, int mostPasses) : IDisposable
{
    // Scored by all centroids together.
    private const int RowsAtOnce = 128;
    private readonly NativeBlocks _memory = new(1);
    private int _first;
    private int _row;
    private int _pass;
    private bool _hasChanged;

    /// <summary>Rows that are open; 0 for none.</summary>
    public int Rows { get; private set; }

    /// <summary>Centroids of the open rows.</summary>
    public int Count { get; private set; }

    /// <summary>Rows that are still to be looked at, each as often as it may be.</summary>
    public long Left => Rows == 0 ? 0 : ((long)(mostPasses - _pass) * Rows) - (_row - _first);

    public long Bytes => _memory.Bytes;

    /// <summary>The centroid of each row, when nothing is left.</summary>
    public ReadOnlySpan<int> Labels => Label;

    /// <summary>How many rows each centroid has, when nothing is left.</summary>
    public ReadOnlySpan<int> Sizes => Size;

    // Centroids of length 1; sums of keys; how many keys; and whose each row is.
    private Span<float> Units => _memory.Block(0).Span<float>(0, Count * dim);

    private Span<float> Sums => _memory.Block(0).Span<float>(sizeof(float) * (long)Count * dim, Count * dim);

    private Span<int> Size => _memory.Block(0).Span<int>(2L * sizeof(float) * Count * dim, Count);

    private Span<int> Label => _memory.Block(0).Span<int>((2L * sizeof(float) * Count * dim) + (sizeof(int) * (long)Count), Rows);

    // Scores of a few rows, their labels, and a key.
    private NativeView Scratch => _memory.Block(0).Slice(BytesFor(dim, Rows, Count) - ScratchBytes(dim, Count), ScratchBytes(dim, Count));

    /// <summary>Bytes that rows take while they are open.</summary>
    public static long BytesFor(int dim, int rows, int count) =>
        (2L * sizeof(float) * count * dim) + (sizeof(int) * ((long)count + rows)) + ScratchBytes(dim, count);

    /// <summary>
    /// Opens rows [<paramref name="first"/>, <paramref name="end"/>), at least one, for so many centroids, at least one and no more than rows.
    /// </summary>
    public void Begin(KvHead head, int first, int end, int count)
    {
        Invariant.Holds(Rows == 0 && count >= 1 && count <= end - first);
        (Rows, Count, _first, _row, _pass) = (end - first, count, first, first, 0);
        _memory.Add(BytesFor(dim, Rows, Count));
        Label.Clear();
        var keys = head.Keys;
        for (var i = 0; i < count; i++)
        {
            var unit = Units.Slice(i * dim, dim);
            keys.Decode(first + (int)(((2L * i) + 1) * Rows / (2L * count)), unit);
            Normalize(unit);
        }

        BeginPass();
    }

    /// <summary>Looks at so many of the rows that are left, or a few more.</summary>
    /// <returns>At how many.</returns>
    public int Advance(KvHead head, long rows)
    {
        var done = 0;
        while (done < rows && Left > 0)
        {
            var count = Math.Min(RowsAtOnce, _first + Rows - _row);
            Assign(head, count);
            (_row, done) = (_row + count, done + count);
            if (_row == _first + Rows)
                EndPass();
        }

        return done;
    }

    /// <summary>The mean of the keys of a centroid, when nothing is left.</summary>
    public void Mean(int index, Span<float> mean)
    {
        Sums.Slice(index * dim, dim).CopyTo(mean);
        VectorMath.Scale(mean, 1f / Math.Max(1, Size[index]));
    }

    /// <summary>Closes the rows, done or not.</summary>
    public void End()
    {
        if (Rows > 0)
            _memory.Drop();
        (Rows, Count) = (0, 0);
    }

    public void Dispose() => _memory.Dispose();

    private static long ScratchBytes(int dim, int count) => sizeof(float) * ((((long)count + 1) * RowsAtOnce) + dim);

    private static void Normalize(Span<float> vector)
    {
        var length = MathF.Sqrt(VectorMath.Dot(vector, vector));
        VectorMath.Scale(vector, length > 0 ? 1 / length : 0);
    }

    private void BeginPass()
    {
        Sums.Clear();
        Size.Clear();
        _hasChanged = false;
    }

    private void Assign(KvHead head, int count)
    {
        var memory = Scratch;
        var scores = memory.Span<float>(0, (Count - 1) * RowsAtOnce + count);
        var nearest = memory.Span<int>(sizeof(float) * (long)Count * RowsAtOnce, count);
        var key = memory.Span<float>(sizeof(float) * ((long)Count + 1) * RowsAtOnce, dim);
        AttentionScores.Rows(Units, head.Keys, new RowSet(_row, count), 1, scores, RowsAtOnce);
        LargestOf.Rows(scores, RowsAtOnce, nearest);
        var labels = Label.Slice(_row - _first, count);
        var sums = Sums;
        var sizes = Size;
        var keys = head.Keys;
        for (var i = 0; i < count; i++)
        {
            var label = nearest[i];
            _hasChanged |= labels[i] != label;
            labels[i] = label;
            sizes[label]++;
            keys.Decode(_row + i, key);
            VectorMath.Add(key, sums.Slice(label * dim, dim));
        }
    }

    private void EndPass()
    {
        // Sums are of the labels of this pass: before the first there were none.
        _pass = _pass > 0 && !_hasChanged ? mostPasses : _pass + 1;
        _row = _first;
        if (_pass == mostPasses)
            return;
        for (var i = 0; i < Count; i++)
        {
            // One that nobody belongs to stays where it is.
            if (Size[i] == 0)
                continue;
            Sums.Slice(i * dim, dim).CopyTo(Units[(i * dim)..]);
            Normalize(Units.Slice(i * dim, dim));
        }

        BeginPass();
    }
}
