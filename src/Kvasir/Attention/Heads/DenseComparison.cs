using Kvasir.Ground;
using Kvasir.Kernels.Elementwise;
using Kvasir.Models.Configs;

namespace Kvasir.Attention.Heads;

/// <summary>
/// What one position's attention read of a head, held against dense attention by the same queries: how far each output is off, and how
/// much of the attention mass the rows hold that were read. One worker's, and filled anew for every position.
/// </summary>
internal sealed class DenseComparison
{
    private readonly int _group;
    private readonly int _dim;
    private readonly float[] _raw;
    private readonly float[] _readMax;
    private readonly float[] _readMass;
    private readonly float[] _errors;
    private readonly float[] _masses;
    private readonly int[] _rowsUsed;
    private readonly float[] _dense;
    private bool _isPlain;

    public DenseComparison(AttentionShape shape)
    {
        (_group, _dim) = (shape.GroupHeads, shape.ValueDim);
        _raw = new float[_group * AttentionScratch.DecodeRows];
        (_readMax, _readMass, _errors, _masses) = (new float[_group], new float[_group], new float[_group], new float[_group]);
        _rowsUsed = new int[_group];
        _dense = new float[_group * (_dim + 2)];
    }

    /// <summary>[group]: |output - dense output| / |dense output|.</summary>
    public ReadOnlySpan<float> Errors => _errors;

    /// <summary>[group]: the weight, under dense attention, of the rows that the query head read; at most 1.</summary>
    public ReadOnlySpan<float> Masses => _masses;

    /// <summary>[group]: rows that the query head read, less those that only others of its group wanted.</summary>
    public ReadOnlySpan<int> RowsUsed => _rowsUsed;

    /// <summary>Rows that the group read.</summary>
    public int RowsRead { get; private set; }

    public int RowsInSight { get; private set; }

    /// <summary>What was found of the position, until the next begins.</summary>
    public ComparedHead Found => new(_errors, _masses, _rowsUsed) { RowsRead = RowsRead, RowsInSight = RowsInSight };

    /// <summary>Whether every row in sight was read and weighed as it is: then attention was dense, and there is nothing to compare.</summary>
    public bool IsDense => _isPlain && RowsRead == RowsInSight;

    public void Begin()
    {
        _readMax.AsSpan().Fill(float.NegativeInfinity);
        _readMass.AsSpan().Clear();
        _rowsUsed.AsSpan().Clear();
        (RowsRead, RowsInSight, _isPlain) = (0, 0, true);
    }

    /// <summary>Takes the scores of some rows before <see cref="Selector.Reweight"/> has them.</summary>
    /// <param name="scores">[group, stride]</param>
    public void Keep(ReadOnlySpan<float> scores, int rowCount, int stride)
    {
        for (var head = 0; head < _group; head++)
            scores.Slice(head * stride, rowCount).CopyTo(Raw(head, rowCount));
    }

    /// <summary>Takes the scores of the same rows after it: what became negative infinity was not read.</summary>
    /// <param name="scores">[group, stride]</param>
    public void Take(ReadOnlySpan<float> scores, int rowCount, int stride)
    {
        RowsRead += rowCount;
        for (var head = 0; head < _group; head++)
        {
            var raw = Raw(head, rowCount);
            var weighed = scores.Slice(head * stride, rowCount);
            _isPlain &= raw.SequenceEqual(weighed);
            _rowsUsed[head] += rowCount - MaskLike(weighed, raw);
            var max = MathF.Max(_readMax[head], VectorMath.Max(raw));
            if (float.IsNegativeInfinity(max))
                continue;
            _readMass[head] *= MathF.Exp(_readMax[head] - max);
            _readMass[head] += Softmax.Exponentials(raw, max);
            _readMax[head] = max;
        }
    }

    /// <summary>Attends densely and compares.</summary>
    /// <param name="query">As the selector was asked.</param>
    /// <param name="sparse">Finished.</param>
    public void Compare(in HeadQuery query, in SoftmaxView sparse, AttentionScratch scratch)
    {
        RowsInSight = query.EndRow - query.FirstRow;
        if (IsDense)
        {
            _errors.AsSpan().Clear();
            _masses.AsSpan().Fill(1);
            return;
        }

        var dense = new SoftmaxSum(_dense.AsSpan(0, _group), _dense.AsSpan(_group, _group), _dense.AsSpan(2 * _group), scratch.Sinks.Span);
        dense.Reset();
        HeadAttention.AddAll(query, dense, scratch);
        dense.Finish();
        for (var head = 0; head < _group; head++)
        {
            _errors[head] = Distance(sparse.Output.Slice(head * _dim, _dim), dense.Output.Slice(head * _dim, _dim));
            var kept = MathF.Exp(_readMax[head] - dense.Max[head]) * (_readMass[head] / dense.Mass[head]);
            _masses[head] = MathF.Min(1, kept);
        }
    }

    /// <summary>A comparison of what is no number tells nothing, and would be written into reports as one.</summary>
    /// <exception cref="KvasirException">An error or a mass is not finite: dense attention, or the sparse one, is not.</exception>
    public void RequireFinite(int layer, int kvHead)
    {
        for (var head = 0; head < _group; head++)
        {
            if (!float.IsFinite(_errors[head]) || !float.IsFinite(_masses[head]))
                throw new KvasirException(
                    KvasirError.NotFinite,
                    $"layer {layer}, KV head {kvHead}: attention is not finite (error {LogitRow.Shown(_errors[head])}, "
                        + $"mass {LogitRow.Shown(_masses[head])} of query head {head}), so that there is nothing to compare");
        }
    }

    private static int MaskLike(ReadOnlySpan<float> weighed, Span<float> raw)
    {
        var masked = 0;
        for (var i = 0; i < raw.Length; i++)
        {
            if (!float.IsNegativeInfinity(weighed[i]))
                continue;
            raw[i] = float.NegativeInfinity;
            masked++;
        }

        return masked;
    }

    // Relative to the reference's length; a reference of zeros is either met or missed.
    private static float Distance(ReadOnlySpan<float> x, ReadOnlySpan<float> reference)
    {
        var (difference, length) = (0.0, 0.0);
        for (var i = 0; i < x.Length; i++)
        {
            difference += ((double)x[i] - reference[i]) * ((double)x[i] - reference[i]);
            length += (double)reference[i] * reference[i];
        }

        return length > 0 ? (float)Math.Sqrt(difference / length) : difference > 0 ? 1 : 0;
    }

    private Span<float> Raw(int head, int rowCount) => _raw.AsSpan(head * AttentionScratch.DecodeRows, rowCount);
}

/// <summary>What a comparison found of one position in one KV head: as the properties of <see cref="DenseComparison"/>.</summary>
internal readonly ref struct ComparedHead(ReadOnlySpan<float> errors, ReadOnlySpan<float> masses, ReadOnlySpan<int> rowsUsed)
{
    public ReadOnlySpan<float> Errors { get; } = errors;

    public ReadOnlySpan<float> Masses { get; } = masses;

    public ReadOnlySpan<int> RowsUsed { get; } = rowsUsed;

    public required int RowsRead { get; init; }

    public required int RowsInSight { get; init; }
}
