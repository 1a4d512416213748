using Kvasir.Attention;
using Kvasir.Attention.Batches;
using Kvasir.Cache;
using Kvasir.Files;
using Kvasir.Forward;
using Kvasir.Kernels.Attention;
using Kvasir.Kernels.Elementwise;
using Kvasir.Kernels.Hashing;
using Kvasir.Models.Configs;
using Kvasir.Synthetic;

namespace Kvasir.Measurement;

/// <summary>
/// Measures the steps of an engine at a depth: sequences with so many tokens in the cache, to which prompt tokens or generated ones
/// are added and taken away again, as often as wanted. Drives the engine's own collaborators, without scheduling and sampling; the
/// engine may have no sequences of its own meanwhile.
/// </summary>
public sealed class EngineProbe : IDisposable
{
    private const double ScoreDeviation = 2;
    private readonly Engine _engine;
    private readonly AttentionPolicy _policy;
    private readonly int _maxTokens;
    private readonly ulong _seed;
    private readonly int[] _tokens;
    private readonly List<SequenceCache> _caches = [];

    // On each cache, once steps were decoded on it: with the indexes of its rows up to the depth.
    private readonly List<SequenceAttention> _decoding = [];
    private readonly LayerReads[] _reads;
    private ReusedQueries? _reused;
    private int _reusedSteps;
    private int _doneTokens;

    /// <param name="engine">Without sequences.</param>
    /// <param name="policy">What generated tokens are attended by.</param>
    /// <param name="maxTokens">The most tokens of a sequence: its depth and what is measured on top. Not above the engine's context.</param>
    /// <param name="seed">Of the tokens and of rows that are filled in at random.</param>
    /// <exception cref="KvasirException">The policy is not for this model, or the KV memory does not hold one such sequence.</exception>
    public EngineProbe(Engine engine, AttentionPolicy policy, int maxTokens, ulong seed)
    {
        ArgumentNullException.ThrowIfNull(engine);
        ArgumentNullException.ThrowIfNull(policy);
        ArgumentOutOfRangeException.ThrowIfNotEqual(engine.RunningCount + engine.WaitingCount, 0, nameof(engine));
        ArgumentOutOfRangeException.ThrowIfLessThan(maxTokens, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(maxTokens, engine.ContextTokens);
        using var use = engine.Use();
        if (maxTokens > use.Pass.Cache.TokenLimit)
            throw new KvasirException(
                KvasirError.KvMemoryExceeded,
                $"a sequence of {maxTokens} tokens is more than the {use.Pass.Cache.TokenLimit} that "
                    + $"the KV memory of {MessageText.Count(engine.Plan.KvMemoryBytes, "byte")} holds");
        policy.RequireFits(use.Pass.Shape);
        (_engine, _policy, _maxTokens, _seed, _tokens) = (engine, policy, maxTokens, seed, new int[maxTokens]);
        _reads = new LayerReads[use.Pass.Shape.LayerCount];
        var random = new Random((int)(seed & int.MaxValue));
        for (var i = 0; i < maxTokens; i++)
            _tokens[i] = random.Next(engine.Model.Config.VocabularySize);
        AddCache(use.Pass);
    }

    /// <summary>The share of sparse attention that is computed densely as well.</summary>
    public double AuditShare { get; init; }

    /// <summary>
    /// How alike queries of one step and the next are made, from 0 to 1: of random tokens they are not, and then nothing of what memory holds is wanted again.
    /// More than 0 makes every step one of other tokens.
    /// </summary>
    public double Reuse { get; init; }

    /// <summary>With <see cref="Reuse"/>, how near what is foretold of a query comes to what is new in it, from 0 to 1, as a cosine.</summary>
    public double Foresight { get; init; }

    /// <summary>Tokens that every sequence has in the cache before a measurement.</summary>
    public int Depth { get; private set; }

    /// <summary>Tokens of the work in progress that are done, or layers of a random fill; to be read from any thread.</summary>
    public int DoneTokens => Volatile.Read(ref _doneTokens);

    /// <summary>[layers]: what the steps of the last <see cref="Decode"/> read together.</summary>
    public ReadOnlySpan<LayerReads> Reads => _reads;

    /// <summary>Logits of the last row that was computed, [vocabulary]; to be looked at before the engine is disposed.</summary>
    /// <exception cref="ObjectDisposedException">The engine was disposed.</exception>
    public ReadOnlySpan<float> Logits
    {
        get
        {
            using var use = _engine.Use();
            return use.Pass.Logits(0);
        }
    }

    /// <summary>
    /// Bytes that a decode step of <paramref name="sequenceCount"/> sequences reads at this depth: matrices, embedding rows, and a share of the rows in sight.
    /// What an index takes is not among them.
    /// </summary>
    public long StepBytes(int sequenceCount, double keysReadShare = 1)
    {
        var (config, weights) = (_engine.Model.Config, _engine.Model.Weights);
        var (shape, plan, depth) = (config.Attention, _engine.Plan, Depth + 1);
        var narrow = shape.Windowed();
        var rowBytes = (long)plan.KvRowBytes * narrow.KvHeadCount * narrow.Dim / shape.Dim;
        var windowed = (shape.LayerCount - shape.FullLayerCount) * rowBytes * Math.Min(depth, shape.WindowTokens ?? 0);
        var rows = (long)((keysReadShare * depth * plan.KvBytesPerToken) + windowed);
        return weights.StepBytesOf(sequenceCount) + (sequenceCount * (weights.Embedding.RowBytes + rows));
    }

    /// <summary>
    /// Brings the sequences to a depth by writing random keys and values: as fast as memory, but what a model would compute they are not. Scores of a synthetic
    /// model's queries have a standard deviation of about 2, and neighbours are alike.
    /// </summary>
    /// <exception cref="KvasirException">The KV memory does not hold them.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; the depth is 0 again.</exception>
    public void FillRandom(int depth, CancellationToken cancellation = default)
    {
        using var use = _engine.Use();
        Begin(depth);
        Reserve(_caches[0], depth);
        var shape = use.Pass.Shape;
        var rows = RowsOf(shape, _engine.Model.Config.Rope);
        var windowed = shape.WindowHeads is null ? rows : RowsOf(shape.Windowed(), _engine.Model.Config.WindowRope!);
        for (var layer = 0; layer < shape.LayerCount; layer++)
        {
            cancellation.ThrowIfCancellationRequested();
            (shape.SeesAll(layer) ? rows : windowed).Fill(use.Pass.Workers, _caches[0], layer, depth);
            Volatile.Write(ref _doneTokens, (int)((long)depth * (layer + 1) / shape.LayerCount));
        }

        Depth = depth;
    }

    /// <summary>Brings the sequences to a depth by computing a prompt.</summary>
    /// <inheritdoc cref="FillRandom"/>
    public void FillByPrefill(int depth, CancellationToken cancellation = default)
    {
        using var use = _engine.Use();
        Begin(depth);
        Compute(use.Pass, depth, cancellation);
        Depth = depth;
    }

    /// <summary>Computes <paramref name="tokens"/> prompt tokens on top of the depth, with the logits of the last, and forgets them again.</summary>
    /// <exception cref="KvasirException">The KV memory does not hold them.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; the depth is as it was.</exception>
    public StepTimings Prefill(int tokens, CancellationToken cancellation = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(tokens, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(tokens, _maxTokens - Depth);
        using var use = _engine.Use();
        Volatile.Write(ref _doneTokens, 0);
        var timings = Compute(use.Pass, Depth + tokens, cancellation);
        _caches[0].Truncate(Depth);
        return timings;
    }

    /// <summary>Computes <paramref name="steps"/> decode steps of as many sequences, all at the depth, and forgets them again.</summary>
    /// <inheritdoc cref="Prefill"/>
    public StepTimings Decode(int sequenceCount, int steps, CancellationToken cancellation = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(sequenceCount, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(steps, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(steps, _maxTokens - Depth);
        using var use = _engine.Use();
        ArgumentOutOfRangeException.ThrowIfGreaterThan(sequenceCount, use.Pass.Batch.MaxSegments);
        while (_caches.Count < sequenceCount)
            AddCache(use.Pass);
        Volatile.Write(ref _doneTokens, 0);
        for (var i = 0; i < sequenceCount; i++)
        {
            Reserve(_caches[i], Depth + steps);
            if (i < _decoding.Count)
                continue;
            _decoding.Add(Open(use.Pass, _caches[i], Depth));
            _decoding[i].Mark();
        }

        try
        {
            if (Reuse > 0)
                use.Pass.Change = Reusing(use.Pass.Shape);
            var timings = default(StepTimings);
            _reads.AsSpan().Clear();
            for (var step = 0; step < steps; step++)
            {
                cancellation.ThrowIfCancellationRequested();
                timings += DecodeStep(use.Pass, sequenceCount);
            }

            return timings;
        }
        catch (Exception fault) when (fault is not OperationCanceledException)
        {
            // Of steps that something threw in nothing is kept.
            DropIndexes();
            throw;
        }
        finally
        {
            use.Pass.Change = null;
            foreach (var attention in _decoding)
                attention.Truncate(Depth);
            foreach (var cache in _caches)
                cache.Truncate(Depth);
        }
    }

    /// <summary>Gives every page back.</summary>
    public void Dispose()
    {
        DropIndexes();
        foreach (var cache in _caches)
            cache.Close();
    }

    /// <summary>The cached rows of a sequence, which counts from 0, in one layer and KV head.</summary>
    internal KvHead Head(int sequence, int layer, int kvHead) => _caches[sequence].Head(layer, kvHead);

    private void Begin(int depth)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(depth);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(depth, _maxTokens);
        DropIndexes();
        _caches[0].Truncate(0);
        foreach (var cache in _caches[1..])
            cache.Close();
        _caches.RemoveRange(1, _caches.Count - 1);
        (Depth, _doneTokens) = (0, 0);
    }

    // Queries of random weights are spread by the spectrum too.
    private RandomRows RowsOf(AttentionShape shape, RopeConfig rope)
    {
        var spectrum = PairSpectrum.Factors(rope, shape.Dim);
        // As if scores were scaled as usual: keys make up for a model that scales them otherwise.
        var scale = PairSpectrum.KeyDeviation(spectrum, ScoreDeviation / (shape.ScoreScale * Math.Sqrt(shape.Dim)), QueryDeviation);
        return new RandomRows(shape.KvHeadCount, spectrum, scale, _engine.ThreadCount, _seed);
    }

    private double QueryDeviation => _engine.Model.Config is var config && config.Layers[0].QkNorm != QkNorm.None
        ? 1
        : RandomBlocks.Deviation * Math.Sqrt(config.Width);

    // Layers with a window read all of it, whatever they look for: where their heads have other sizes they are left as they are.
    private QueryChange Reusing(AttentionShape shape)
    {
        _reused ??= NewReused(shape);
        return shape.WindowHeads is null ? _reused.Mix : (batch, layer, queries, isForeseen) =>
        {
            if (shape.SeesAll(layer))
                _reused.Mix(batch, layer, queries, isForeseen);
        };
    }

    private ReusedQueries NewReused(AttentionShape shape)
    {
        var deviations = PairSpectrum.Factors(_engine.Model.Config.Rope, shape.Dim);
        VectorMath.Scale(deviations, (float)QueryDeviation);
        return new ReusedQueries(Reuse, Foresight, shape.LayerCount, shape.HeadCount * shape.Dim, deviations, _seed);
    }

    private void Reserve(SequenceCache cache, int rows)
    {
        if (!cache.TryReserve(rows))
            throw new KvasirException(
                KvasirError.KvMemoryExceeded,
                $"the KV memory of {MessageText.Count(_engine.Plan.KvMemoryBytes, "byte")} does not hold {_caches.Count} sequences of {rows} tokens");
    }

    // Further sequences have the rows of the first.
    private void AddCache(ForwardPass pass)
    {
        var cache = pass.Cache.Open(_maxTokens, _policy.SettledRowsAt);
        _caches.Add(cache);
        if (Depth == 0)
            return;
        Reserve(cache, Depth);
        var shape = pass.Shape;
        for (var i = 0; i < shape.TotalKvHeads; i++)
        {
            var (layer, kvHead) = shape.PlaceOf(i);
            cache.Head(layer, kvHead).CopyRows(_caches[0].Head(layer, kvHead));
        }
    }

    private void DropIndexes()
    {
        foreach (var attention in _decoding)
            attention.DropIndexes();
        _decoding.Clear();
    }

    /// <summary>A sequence of so many prompt tokens, of which the cache holds the first <see cref="Depth"/>.</summary>
    private SequenceAttention Open(ForwardPass pass, SequenceCache cache, int promptTokens)
    {
        var takeBack = new TakeBackLimits(_maxTokens - Depth, Marks: 1);
        var attention = pass.Open(cache, _policy, _maxTokens, promptTokens, _engine.Audit(AuditShare, _policy, _seed), takeBack);
        if (Depth > 0)
            Index(attention, pass.Shape, endsPrompt: promptTokens == Depth);
        attention.Restore(Depth);
        pass.BuildIndex(attention);
        if (promptTokens == Depth)
            pass.AskToDrop(attention);
        return attention;
    }

    private void Index(SequenceAttention attention, AttentionShape shape, bool endsPrompt) =>
        Parallel.For(0, shape.TotalKvHeads, i =>
        {
            var (layer, kvHead) = shape.PlaceOf(i);
            var head = attention.Head(layer, kvHead);
            using var pins = head.Rows.Pin((0, Depth));
            head.Append(0, Depth);
            if (_policy.ObservedPromptRows > 0)
                ShowWeights(head.Selector, shape.At(layer).GroupHeads, i);
            if (endsPrompt)
                head.EndPrompt();
        });

    // What a prompt's last rows would have shown a selector that learns from weights: as uneven as those of random queries.
    private void ShowWeights(Selector selector, int group, int index)
    {
        var queries = Math.Min(_policy.ObservedPromptRows, Depth);
        var stride = Depth + queries;
        var weights = new float[group * stride];
        for (var i = 0; i < weights.Length; i++)
            weights[i] = (float)(ScoreDeviation * CounterNoise.Normal(CounterNoise.Seed(_seed, index, 0), (ulong)i));
        for (var head = 0; head < group; head++)
        {
            var own = weights.AsSpan(head * stride, stride);
            VectorMath.Scale(own, 1 / Softmax.Exponentials(own, VectorMath.Max(own)));
        }

        // Every query moves on by one.
        for (var query = 0; query < queries; query++)
            selector.Observe(Depth - queries + query, new RowSet(0, Depth), weights.AsSpan(query), stride);
    }

    private StepTimings Compute(ForwardPass pass, int promptTokens, CancellationToken cancellation)
    {
        Reserve(_caches[0], promptTokens);
        var attention = Open(pass, _caches[0], promptTokens);
        try
        {
            return pass.ComputePrompt(attention, _tokens.AsSpan(0, promptTokens), rows => Volatile.Write(ref _doneTokens, rows - Depth), cancellation);
        }
        catch
        {
            _caches[0].Truncate(Depth);
            throw;
        }
        finally
        {
            attention.DropIndexes();
        }
    }

    private StepTimings DecodeStep(ForwardPass pass, int sequenceCount)
    {
        pass.Batch.Clear();
        for (var i = 0; i < sequenceCount; i++)
            pass.Batch.Add(_decoding[i], _tokens.AsSpan(Reuse > 0 ? _reusedSteps++ % _maxTokens : _decoding[i].RowCount, 1), 1);
        var timings = pass.Run();
        for (var layer = 0; layer < _reads.Length; layer++)
            _reads[layer] += pass.LastReads[layer];
        Volatile.Write(ref _doneTokens, _doneTokens + 1);
        return timings;
    }
}
