using Kvasir.Attention.Batches;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Elementwise;
using Kvasir.Kernels.Matrix;
using Kvasir.Kernels.Memory;
using Kvasir.Models;
using Kvasir.Models.Configs;
using Kvasir.Models.Streaming;

namespace Kvasir.Forward;

/// <summary>
/// The forward pass over a batch of rows. Families differ by their <see cref="ModelConfig"/>, whose <see cref="LayerShape"/>s say how each layer computes, and
/// by which optional tensors their <see cref="Weights"/> hold, not by code.
/// </summary>
internal sealed class Transformer : IDisposable
{
    private readonly ModelConfig _config;
    private readonly WeightMatrix _embedding;
    private readonly WeightMatrix? _positions;
    private readonly (WeightMatrix Output, LayerWeights[] Layers) _own;
    private readonly (WeightMatrix Output, LayerWeights[] Layers) _draft;
    private readonly LayerWindow? _window;
    private readonly ExpertWindow? _expertWindow;
    private readonly float[] _outputNorm;
    private readonly WorkerPool _pool;
    private readonly BatchAttention _attention;

    // Of layers with a window whose heads have other sizes; null where there are none.
    private readonly BatchAttention? _windowed;
    private readonly LinearInput _input;
    private readonly LinearProduct _linear;
    private readonly HeadRotation _rotation;
    private readonly RowNorm _norm;
    private readonly NormedResidual _normed;
    private readonly ExpertFeedForward? _experts;
    private readonly NativeBuffer _buffer;
    private readonly NativeView _x;
    private readonly NativeView _queries;
    private readonly NativeView _keys;
    private readonly NativeView _values;
    private readonly NativeView _attended;
    private readonly NativeView _gate;
    private readonly NativeView _up;
    private readonly NativeView _projected;
    private readonly NativeView _beside;
    private readonly NativeView _logits;
    private readonly LayerReads[] _reads;
    private WeightMatrix _output;
    private LayerWeights[] _layers;
    private long _layersComputed;
    private StepClock _clock;

    /// <param name="kv">How keys and values are stored.</param>
    /// <param name="limits">Rows, segments and logit rows of a batch.</param>
    /// <param name="maxTokens">The longest sequence.</param>
    public Transformer(ModelConfig config, Weights weights, KvFormat kv, WorkerPool pool, Batch limits, int maxTokens)
    {
        (_config, _pool, _reads) = (config, pool, new LayerReads[config.LayerCount]);
        _norm = new RowNorm(config.Norm, config.NormEpsilon);
        _normed = new NormedResidual(_norm, config.Width);
        (_embedding, _positions, _outputNorm, _own) = (weights.Embedding, weights.Positions, weights.OutputNorm, (weights.Output, weights.Layers));
        (_window, _expertWindow) = (weights.Window, weights.ExpertWindow);
        _draft = weights.Draft is { } draft ? (draft.Output, draft.Layers) : _own;
        (_output, _layers) = _own;
        Shape = config.Attention with { LayerSinks = config.Layers[0].HasSinks ? Array.ConvertAll(_layers, static layer => layer.Sinks!) : null };
        _attention = new BatchAttention(Shape, kv, pool, limits.MaxSegments, maxTokens);
        _windowed = config.WindowHeads is null ? null : new BatchAttention(Shape.Windowed(), kv, pool, limits.MaxSegments, maxTokens);
        var mostRows = Math.Max(limits.MaxRows, limits.MaxLogitRows);
        _input = new LinearInput(new PreparedRows(mostRows, PassBytes.Widest(config), pool.WorkerCount, Kinds(mostRows, _own, _draft), _norm));
        _linear = new LinearProduct(_input, pool);
        _rotation = new HeadRotation(config, _norm, limits.MaxRows);
        _experts = config.Layers.Any(static layer => layer.Experts is not null)
            ? new ExpertFeedForward(config, weights, pool, _linear, _norm, limits.MaxRows)
            : null;

        long rows = limits.MaxRows;
        // Rows that no batch reaches are never touched, and so take no memory.
        _buffer = NativeBuffer.Uninitialized(PassBytes.Activations(config, limits.MaxRows, limits.MaxLogitRows));
        var free = _buffer.View;
        _x = Take(ref free, rows * config.Width);
        _projected = Take(ref free, rows * config.Width);
        _beside = Take(ref free, PassBytes.HasBeside(config) ? rows * config.Width : 0);
        _queries = Take(ref free, rows * config.MostQueryWidth);
        _attended = Take(ref free, rows * config.MostAttendedWidth);
        _keys = Take(ref free, rows * config.MostKeyWidth);
        _values = Take(ref free, rows * config.MostValueWidth);
        _gate = Take(ref free, rows * config.FeedForwardWidth);
        _up = Take(ref free, config.HasGate ? rows * config.FeedForwardWidth : 0);
        _logits = Take(ref free, (long)limits.MaxLogitRows * config.VocabularySize);
    }

    public AttentionShape Shape { get; }

    /// <summary>As <see cref="BatchAttention.Capture"/>.</summary>
    public LayerCapture? Capture
    {
        set => SetAll(attention => attention.Capture = value);
    }

    /// <summary>As <see cref="BatchAttention.Change"/>.</summary>
    public QueryChange? Change
    {
        set => SetAll(attention => attention.Change = value);
    }

    /// <summary>Bytes of activations and scratch, beside weights and cache.</summary>
    public long ScratchBytes => _buffer.Bytes + _input.Bytes + _attention.ScratchBytes + (_windowed?.ScratchBytes ?? 0) + (_experts?.Bytes ?? 0);

    /// <summary>Layers of all batches so far; any thread may look at it to see that something moves.</summary>
    public long LayersComputed => Volatile.Read(ref _layersComputed);

    /// <summary>Of the last <see cref="Forward"/>.</summary>
    public StepTimings LastStep { get; private set; }

    /// <summary>[layers]: what generated tokens of the last <see cref="Forward"/> read.</summary>
    public ReadOnlySpan<LayerReads> LastReads => _reads;

    /// <summary>
    /// Computes a batch: its keys and values are in the cache afterwards, and <see cref="Logits"/> has the rows that it asked for.
    /// False when every sequence of the batch was cancelled on the way, or ended by a fault of its own.
    /// </summary>
    /// <param name="isDraft">Whether by <see cref="Weights.Draft"/>, where there is one.</param>
    public bool Forward(Batch batch, bool isDraft = false)
    {
        (_output, _layers) = isDraft ? _draft : _own;
        // What memory has no place for comes in the order of one pass.
        _window?.Enter();
        _expertWindow?.Enter();
        try
        {
            return Compute(batch);
        }
        finally
        {
            _window?.Leave();
            _expertWindow?.Leave();
        }
    }

    /// <summary>[vocabulary] for the <paramref name="index"/>-th logit row of the last batch.</summary>
    public Span<float> Logits(int index) => _logits.Span<float>((long)index * _config.VocabularySize * sizeof(float), _config.VocabularySize);

    /// <summary>[width] for a row of the last batch, behind the last norm; gone with the next call.</summary>
    public ReadOnlySpan<float> Hidden(int row)
    {
        var normed = Row(_projected, 0);
        _norm.Apply(Row(_x, row), _outputNorm, normed);
        return normed;
    }

    public void Dispose()
    {
        _attention.Dispose();
        _windowed?.Dispose();
        _input.Dispose();
        _experts?.Dispose();
        _buffer.Dispose();
    }

    private bool Compute(Batch batch)
    {
        _clock.Start();
        Embed(batch);
        _rotation.Fill(batch);
        _clock.Pass();
        for (var layer = 0; layer < _config.LayerCount; layer++)
        {
            if (batch.IsAbandoned)
                return false;
            _window?.Require(layer);
            Attend(batch, layer);
            // A layer that is still on its way tells nothing.
            if (layer + 1 < _config.LayerCount && _attention.Foresees(batch) && _window?.IsReady(layer + 1) != false)
                Foresee(batch, layer + 1);
            FeedForward(batch.RowCount, layer);
            _window?.Release(layer);
            _clock.MarkLinear();
            Volatile.Write(ref _layersComputed, _layersComputed + 1);
        }

        Project(batch.LogitRows);
        _clock.MarkLinear();
        Array.Clear(_reads);
        var counts = _attention.Counts(_reads);
        LastStep = _clock.Read(batch.RowCount, _windowed is null ? counts : counts + _windowed.Counts(_reads), _pool.WorkerCount);
        return true;
    }

    private void Embed(Batch batch)
    {
        for (var row = 0; row < batch.RowCount; row++)
        {
            WeightRow.Decode(_embedding.Type, _embedding.Row(batch.Tokens[row]), Row(_x, row));
            if (_config.EmbeddingScale != 1)
                VectorMath.Scale(Row(_x, row), _config.EmbeddingScale);
            if (_positions is not { } positions)
                continue;
            WeightRow.Decode(positions.Type, positions.Row(batch.Positions[row]), Row(_projected, row));
            VectorMath.Add(Row(_projected, row), Row(_x, row));
        }
    }

    private void Attend(Batch batch, int layer)
    {
        var (shape, weights, rows) = (_config.Layers[layer], _layers[layer], batch.RowCount);
        // What reads the same row as attention does so before attention adds to it.
        if (shape.IsParallel)
            Widen(rows, weights, weights.FeedForwardNorm ?? weights.AttentionNorm);
        var (heads, read) = (_config.HeadsOf(shape), new LinearRows(_x, rows, _config.Width, weights.AttentionNorm));
        var (queries, keys) = (new LinearTarget(weights.Query, weights.QueryBias, _queries), new LinearTarget(weights.Key, weights.KeyBias, _keys));
        if (shape.ValuesAreKeys)
            _linear.Run(read, queries, keys);
        else
            _linear.Run(read, queries, keys, new LinearTarget(weights.Value, weights.ValueBias, _values));
        _clock.MarkLinear();
        if (shape.ValuesAreKeys || shape.NormsValues)
        {
            _rotation.Rotate(
                _pool,
                new RotatedHeads(_values, heads.KvHeadCount, heads.Dim, null, shape) { AreValues = true, Keys = shape.ValuesAreKeys ? _keys : null },
                rows);
        }

        _rotation.Rotate(_pool, QueriesOf(shape, weights), rows);
        _rotation.Rotate(_pool, new RotatedHeads(_keys, heads.KvHeadCount, heads.Dim, weights.KeyNorm, shape), rows);
        AttentionOf(shape).Run(batch, layer, _queries, (_keys, _values), _attended);
        _clock.MarkAttention();
        var attended = new LinearRows(_attended, rows, weights.Output.Columns, null);
        var target = new LinearTarget(weights.Output, weights.OutputBias, _projected);
        Return(attended, target, shape.ResidualScale, weights.AttentionOutputNorm is { } norm ? new ResidualNorms(norm, shape.ResidualScale) : null);
    }

    private RotatedHeads QueriesOf(LayerShape shape, LayerWeights weights) =>
        new(_queries, _config.HeadCount, _config.HeadsOf(shape).Dim, weights.QueryNorm, shape) { AreQueries = true };

    private BatchAttention AttentionOf(LayerShape shape) => shape.SeesAll ? _attention : _windowed ?? _attention;

    // Queries of the next layer as they would be without the feed-forward layer that comes before it.
    private void Foresee(Batch batch, int layer)
    {
        var (shape, weights, rows) = (_config.Layers[layer], _layers[layer], batch.RowCount);
        _linear.Run(new LinearRows(_x, rows, _config.Width, weights.AttentionNorm), new LinearTarget(weights.Query, weights.QueryBias, _queries));
        _clock.MarkLinear();
        _rotation.Rotate(_pool, QueriesOf(shape, weights), rows);
        AttentionOf(shape).Foresee(batch, layer, _queries);
        _clock.MarkAttention();
    }

    private void FeedForward(int rows, int layer)
    {
        var (shape, weights) = (_config.Layers[layer], _layers[layer]);
        if (shape.HasDenseFeedForward && !shape.IsParallel)
            Widen(rows, weights, weights.FeedForwardNorm);
        var besides = shape.Experts is { HasOwnNorms: true };
        if (besides)
            _beside.Span<float>(0, rows * _config.Width).Clear();
        // What every row goes through has read it: experts may add to it.
        if (shape.Experts is not null)
        {
            var read = new LinearRows(_x, rows, _config.Width, weights.FeedForwardNorm);
            _experts!.Run(read, layer, besides ? (_beside, 1) : (_x, shape.ResidualScale));
        }

        if (!shape.HasDenseFeedForward)
            return;
        var widened = new LinearRows(_gate, rows, _config.FeedForwardWidth, null);
        Return(widened, new LinearTarget(weights.Down, weights.DownBias, _projected), shape.ResidualScale, BehindFeedForward(shape, weights));
    }

    private ResidualNorms? BehindFeedForward(LayerShape shape, LayerWeights weights) => weights.FeedForwardOutputNorm is not { } norm
        ? null
        : new ResidualNorms(norm, shape.ResidualScale, weights.Scale)
        {
            Beside = weights.Experts?.Norms is { } norms ? (_beside, norms.Output, norms.Shared) : null,
        };

    private void Widen(int rows, LayerWeights weights, float[]? norm)
    {
        var read = new LinearRows(_x, rows, _config.Width, norm);
        if (_config.HasGate)
            _linear.RunGated(_config.Gate, read, new LinearTarget(weights.Gate, null, _gate), new LinearTarget(weights.Up, null, _up));
        else
            _linear.RunActivated(_config.Gate, read, new LinearTarget(weights.Up, weights.UpBias, _gate));
    }

    // A branch ends in the residual stream.
    private void Return(in LinearRows rows, LinearTarget target, float scale, in ResidualNorms? norms)
    {
        if (norms is null)
        {
            _linear.RunInto(_x, scale, rows, target);
            return;
        }

        _linear.Run(rows, target);
        _normed.Add(_pool, _x, _projected, rows.Count, norms.Value);
    }

    private void SetAll(Action<BatchAttention> set)
    {
        set(_attention);
        if (_windowed is not null)
            set(_windowed);
    }

    // Only some rows go on to the vocabulary: the newest of each sequence, gathered to the front of a buffer that is free by now.
    private void Project(ReadOnlySpan<int> logitRows)
    {
        if (logitRows.IsEmpty)
            return;
        for (var i = 0; i < logitRows.Length; i++)
            Row(_x, logitRows[i]).CopyTo(Row(_projected, i));
        var rows = new LinearRows(_projected, logitRows.Length, _config.Width, _outputNorm);
        _linear.Run(rows, new LinearTarget(_output, null, _logits));
        for (var i = 0; _config.LogitCap is { } cap && i < logitRows.Length; i++)
            SoftCap.Apply(Logits(i), cap);
    }

    private Span<float> Row(NativeView rows, int row) => rows.Span<float>((long)row * _config.Width * sizeof(float), _config.Width);

    private static NativeView Take(ref NativeView free, long floats)
    {
        var taken = free.Slice(0, floats * sizeof(float));
        free = free.Slice(taken.Bytes, free.Bytes - taken.Bytes);
        return taken;
    }

    // A batch may have any number of rows: the forms of one and of the most.
    private static HashSet<ActivationKind> Kinds(int maxRows, params ReadOnlySpan<(WeightMatrix Output, LayerWeights[] Layers)> sets)
    {
        var kinds = new HashSet<ActivationKind>();
        foreach (var (output, layers) in sets)
        {
            Add(output);
            foreach (var layer in layers)
            {
                ReadOnlySpan<WeightMatrix> matrices = [layer.Query, layer.Key, layer.Value, layer.Output, layer.Gate, layer.Up, layer.Down];
                foreach (var matrix in matrices)
                    Add(matrix);
                if (layer.Experts is { } experts)
                    Add(experts.Router);
            }
        }

        return kinds;

        void Add(in WeightMatrix matrix)
        {
            kinds.Add(Activations.KindOf(matrix, 1));
            kinds.Add(Activations.KindOf(matrix, maxRows));
        }
    }
}
