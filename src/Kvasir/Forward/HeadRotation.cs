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
        if (!heads.Layer.Rotates && heads.Norm is null && config.QueryTemperature is null)
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
        var (values, count, weight, layer) = (_heads.Values, _heads.Count, _heads.Norm, _heads.Layer);
        var rowWidth = count * config.HeadDim;
        var row = values.Span<float>((long)item * rowWidth * sizeof(float), rowWidth);
        if (layer.QkNorm == QkNorm.Row)
            norm.Apply(row, weight, row);
        var table = layer.SeesAll ? _table : _windowTable ?? _table;
        for (var at = 0; at < rowWidth; at += config.HeadDim)
        {
            var head = row.Slice(at, config.HeadDim);
            if (layer.QkNorm is QkNorm.Heads or QkNorm.OwnHeads)
                norm.Apply(head, layer.QkNorm == QkNorm.Heads ? weight : weight.AsSpan(at, config.HeadDim), head);
            if (layer.Rotates)
                Rope.Rotate(head, table.Cos(item), table.Sin(item), config.Rope.Order);
            if (layer.QkNorm == QkNorm.RotatedHeads)
                norm.Apply(head, weight, head);
        }

        if (_heads.AreQueries && config.QueryTemperature is not null)
            VectorMath.Scale(row, _temperatures[item]);
    }
}

/// <summary>The queries or the keys of a batch in one layer.</summary>
/// <param name="Values">[rows, count, dim] of float.</param>
/// <param name="Count">Heads.</param>
/// <param name="Norm">Weights of the norm that the layer's shape says, or none.</param>
/// <param name="Layer">What happens to them.</param>
internal readonly record struct RotatedHeads(NativeView Values, int Count, float[]? Norm, LayerShape Layer)
{
    /// <summary>Whether they are queries, which alone may grow with their positions.</summary>
    public bool AreQueries { get; init; }
}
