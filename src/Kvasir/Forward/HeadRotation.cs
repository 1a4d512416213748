using Kvasir.Attention.Batches;
using Kvasir.Kernels.Elementwise;
using Kvasir.Kernels.Memory;
using Kvasir.Models.Configs;

namespace Kvasir.Forward;

/// <summary>What happens to queries and keys between their projection and attention, as a layer's shape says: norms of heads or rows, and RoPE.</summary>
internal sealed class HeadRotation(ModelConfig config, RowNorm norm, int maxRows) : ParallelJob
{
    private const int ParallelHeads = 256;
    private readonly RopeTable _table = new(config.Rope, maxRows);
    private readonly RopeTable? _windowTable = config.WindowRope is { } rope ? new RopeTable(rope, maxRows) : null;
    private readonly float[] _temperatures = new float[config.QueryTemperature is null ? 0 : maxRows];
    private readonly float[] _ones = NewOnes(config);
    private RotatedHeads _heads;

    /// <summary>The rows of a batch, the same for all layers.</summary>
    public void Fill(Batch batch)
    {
        foreach (var segment in batch.Segments)
        {
            var positions = batch.Positions.Slice(segment.FirstRow, segment.RowCount);
            _table.Fill(segment.FirstRow, positions, config.Rope.IsLong(segment.Attention.MaxRows));
            _windowTable?.Fill(segment.FirstRow, positions, isLong: false);
        }

        for (var row = 0; row < batch.RowCount && config.QueryTemperature is { } temperature; row++)
            _temperatures[row] = temperature.At(batch.Positions[row]);
    }

    /// <summary>Norms and rotates in place.</summary>
    public void Rotate(WorkerPool pool, in RotatedHeads heads, int rows)
    {
        if (!heads.AreValues && !heads.Layer.Rotates && heads.Norm is null && config.QueryTemperature is null)
            return;
        _heads = heads;
        if (rows * heads.Count >= ParallelHeads)
        {
            pool.Run(this, rows);
            return;
        }

        for (var row = 0; row < rows; row++)
            Execute(row, 0);
    }

    public override void Execute(int item, int worker)
    {
        var (values, count, weight, layer, dim) = (_heads.Values, _heads.Count, _heads.Norm, _heads.Layer, _heads.Dim);
        var rowWidth = count * dim;
        var row = values.Span<float>((long)item * rowWidth * sizeof(float), rowWidth);
        if (_heads.AreValues)
        {
            NormValues(row, item);
            return;
        }

        if (layer.QkNorm == QkNorm.Row)
            norm.Apply(row, weight, row);
        var (table, order) = (layer.SeesAll ? _table : _windowTable ?? _table, config.Rope.Order);
        for (var at = 0; at < rowWidth; at += dim)
        {
            var head = row.Slice(at, dim);
            if (layer.QkNorm is QkNorm.Heads or QkNorm.OwnHeads)
                norm.Apply(head, layer.QkNorm == QkNorm.Heads ? weight : weight.AsSpan(at, dim), head);
            if (layer.Rotates)
                Rope.Rotate(head, table.Cos(item), table.Sin(item), order);
            if (layer.QkNorm == QkNorm.RotatedHeads)
                norm.Apply(head, weight, head);
        }

        if (_heads.AreQueries && config.QueryTemperature is not null)
            VectorMath.Scale(row, _temperatures[item]);
    }

    private void NormValues(Span<float> row, int item)
    {
        if (_heads.Keys is { } keys)
            keys.Span<float>((long)item * row.Length * sizeof(float), row.Length).CopyTo(row);
        for (var at = 0; at < row.Length && _heads.Layer.NormsValues; at += _heads.Dim)
            norm.Apply(row.Slice(at, _heads.Dim), _ones.AsSpan(0, _heads.Dim), row.Slice(at, _heads.Dim));
    }

    private static float[] NewOnes(ModelConfig config)
    {
        var ones = new float[Math.Max(config.HeadDim, config.WindowHeads?.Dim ?? 0)];
        Array.Fill(ones, 1);
        return ones;
    }
}

/// <summary>The queries, the keys or the values of a batch in one layer.</summary>
/// <param name="Values">[rows, count, dim] of float.</param>
/// <param name="Count">Heads.</param>
/// <param name="Dim">Elements of each.</param>
/// <param name="Norm">Weights of the norm that the layer's shape says, or none.</param>
/// <param name="Layer">What happens to them.</param>
internal readonly record struct RotatedHeads(NativeView Values, int Count, int Dim, float[]? Norm, LayerShape Layer)
{
    /// <summary>Whether they are queries, which alone may grow with their positions.</summary>
    public bool AreQueries { get; init; }

    /// <summary>Whether they are values: no position turns them.</summary>
    public bool AreValues { get; init; }

    /// <summary>What values are copied from first, keys that were not normed or rotated yet; null where they have a matrix of their own.</summary>
    public NativeView? Keys { get; init; }
}
