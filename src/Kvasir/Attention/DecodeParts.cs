using Kvasir.Kernels.Memory;
using Kvasir.Models;

namespace Kvasir.Attention;

/// <summary>
/// Decode attention of one head divided between workers by rows: where the parts keep their sums until the last one to finish joins them.
/// How many parts there are follows from the depth and the shape alone, and they are joined in order, so that the result depends neither on
/// the number of threads nor on who computed what.
/// </summary>
internal sealed class DecodeParts : IDisposable
{
    // A part is worth a worker's while, and begins where a page does.
    private const int LeastRows = 1024;
    private const int RowUnit = 32;

    // Enough for many cores, and for the last of them not to wait long; more would only cost merging.
    private const int ItemsPerSequence = 64;

    private readonly AttentionShape _shape;
    private readonly int _mostParts;
    private readonly int[] _unfinished;
    private readonly NativeBuffer _sums;

    public DecodeParts(AttentionShape shape, int maxSegments)
    {
        _shape = shape;
        _mostParts = Math.Max(1, ItemsPerSequence / shape.KvHeadCount);
        _unfinished = new int[maxSegments * shape.KvHeadCount];
        _sums = new NativeBuffer((long)_unfinished.Length * _mostParts * PartFloats * sizeof(float));
    }

    public long Bytes => _sums.Bytes;

    private int PartFloats => _shape.GroupHeads * (_shape.Dim + 2);

    /// <summary>Parts that a head's <paramref name="rowCount"/> rows are divided into.</summary>
    public int CountFor(int rowCount) => Math.Clamp(rowCount / LeastRows, 1, _mostParts);

    /// <summary>To be told before the parts of a head begin; a head counts segment * KV heads + KV head.</summary>
    public void Begin(int head, int partCount) => _unfinished[head] = partCount;

    /// <summary>The rows of one part of [first, end).</summary>
    public static (int First, int End) Rows((int First, int End) visible, int part, int partCount)
    {
        var units = (visible.End - visible.First + RowUnit - 1) / RowUnit;
        var first = visible.First + (int)((long)units * part / partCount * RowUnit);
        var end = visible.First + (int)((long)units * (part + 1) / partCount * RowUnit);
        return (first, Math.Min(end, visible.End));
    }

    /// <summary>The sum of a part, as it was left.</summary>
    public SoftmaxSum Sum(int head, int part)
    {
        var group = _shape.GroupHeads;
        var floats = _sums.View.Span<float>((((long)head * _mostParts) + part) * PartFloats * sizeof(float), PartFloats);
        return new SoftmaxSum(floats[..group], floats.Slice(group, group), floats[(2 * group)..]);
    }

    /// <summary>Told by whoever finishes a part. True for the last one, and then the sum of part 0 is that of all.</summary>
    public bool EndsWith(int head, int partCount)
    {
        if (Interlocked.Decrement(ref _unfinished[head]) > 0)
            return false;
        var all = Sum(head, 0);
        for (var part = 1; part < partCount; part++)
            all.Merge(Sum(head, part));
        return true;
    }

    public void Dispose() => _sums.Dispose();
}
