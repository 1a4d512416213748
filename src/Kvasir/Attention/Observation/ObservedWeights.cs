using Kvasir.Kernels.Attention;
using Kvasir.Kernels.Elementwise;

namespace Kvasir.Attention.Observation;

/// <summary>The rows that one position read and their scores, kept until the softmax is known and the selector can be told.</summary>
internal sealed class ObservedWeights(int groupHeads, int maxRows)
{
    private readonly int[] _rows = new int[maxRows];
    private readonly float[] _scores = new float[groupHeads * maxRows];
    private int _count;

    public void Clear() => _count = 0;

    /// <param name="scores">[group, stride], after reweighting.</param>
    public void Add(in RowSet rows, ReadOnlySpan<float> scores, int stride)
    {
        for (var i = 0; i < rows.Count; i++)
            _rows[_count + i] = rows[i];
        for (var head = 0; head < groupHeads; head++)
            scores.Slice(head * stride, rows.Count).CopyTo(_scores.AsSpan((head * maxRows) + _count));
        _count += rows.Count;
    }

    /// <summary>Tells <paramref name="selector"/> the weights: e^(score - max) / mass.</summary>
    public void Report(Selector selector, int position, in SoftmaxView sum)
    {
        for (var head = 0; head < groupHeads; head++)
        {
            var own = _scores.AsSpan(head * maxRows, _count);
            Softmax.Exponentials(own, sum.Max[head]);
            VectorMath.Scale(own, 1 / sum.Mass[head]);
        }

        selector.Observe(position, new RowSet(_rows.AsSpan(0, _count)), _scores, maxRows);
    }
}
