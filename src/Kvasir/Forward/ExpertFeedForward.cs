using Kvasir.Kernels.Elementwise;
using Kvasir.Kernels.Matrix;
using Kvasir.Kernels.Memory;
using Kvasir.Models;
using Kvasir.Models.Configs;
using Kvasir.Models.Streaming;

namespace Kvasir.Forward;

/// <summary>
/// A layer's experts over a batch of rows: the router chooses, rows are brought together by expert, each expert is multiplied with its own, and each row adds
/// up what its experts gave, the likeliest first. So a row's result depends neither on the workers nor on the other rows of the batch, as products allow.
/// </summary>
internal sealed class ExpertFeedForward : ParallelJob, IDisposable
{
    private const int ParallelRows = 8;
    private readonly WorkerPool _pool;
    private readonly LinearProduct _linear;
    private readonly ExpertRouter _router;
    private readonly ExpertInput _input;
    private readonly ExpertProduct _product;
    private readonly GateKind _kind;
    private readonly NativeBuffer _buffer;
    private readonly NativeView _logits;
    private readonly NativeView _gate;
    private readonly NativeView _up;
    private readonly NativeView _down;
    private readonly int _width;
    private readonly ModelConfig _config;
    private readonly LayerWeights[] _layers;
    private readonly int[] _likely;

    // Experts that memory has no place for go through it; null where all are there.
    private readonly ExpertWindow? _window;
    private NativeView _sum;
    private float[]? _scales;
    private int _used;
    private float _scale;

    /// <param name="linear">Of the layers' other products, by which the router's is computed.</param>
    /// <param name="mostRows">Of a batch.</param>
    public ExpertFeedForward(ModelConfig config, Weights weights, WorkerPool pool, LinearProduct linear, RowNorm norm, int mostRows)
    {
        (_pool, _linear, _kind, _width) = (pool, linear, config.Gate, config.Width);
        (_config, _layers, _window) = (config, weights.Layers, weights.ExpertWindow);
        var most = Most(config);
        _likely = new int[most.Count];
        var slots = (long)mostRows * most.Used;
        ArgumentOutOfRangeException.ThrowIfGreaterThan(slots, int.MaxValue, nameof(mostRows));
        _router = new ExpertRouter(mostRows, most);
        _input = new ExpertInput(
            _router, new PreparedRows((int)slots, Math.Max(config.Width, most.Width), pool.WorkerCount, Kinds(weights, mostRows), norm));
        _product = new ExpertProduct(_input, _router, most.Count, pool);
        var (logitBytes, wideBytes) = ((long)mostRows * most.Count * sizeof(float), slots * most.Width * sizeof(float));
        var downBytes = slots * config.Width * sizeof(float);
        _buffer = NativeBuffer.Uninitialized(logitBytes + (2 * wideBytes) + downBytes);
        _logits = _buffer.View.Slice(0, logitBytes);
        _gate = _buffer.View.Slice(logitBytes, wideBytes);
        _up = _buffer.View.Slice(logitBytes + wideBytes, wideBytes);
        _down = _buffer.View.Slice(logitBytes + (2 * wideBytes), downBytes);
    }

    /// <summary><see cref="Bytes"/>, before there is one.</summary>
    public static long BytesFor(ModelConfig config, int workers, int mostRows, IReadOnlySet<ActivationKind> kinds)
    {
        var most = Most(config);
        var slots = (long)mostRows * most.Used;
        return (sizeof(float) * (((long)mostRows * most.Count) + (slots * ((2 * most.Width) + config.Width))))
            + PreparedRows.BytesFor((int)slots, Math.Max(config.Width, most.Width), workers, kinds);
    }

    /// <summary>Bytes of scratch held.</summary>
    public long Bytes => _buffer.Bytes + _input.Bytes;

    /// <summary>sum += scale * sum of the weights of each row's experts * their outputs.</summary>
    /// <param name="rows">x and the norm before the experts, where they have none of their own.</param>
    /// <param name="sum">[rows, width]: x, or what is added to it later.</param>
    public void Run(LinearRows rows, int layer, (NativeView Values, float Scale) sum)
    {
        var (experts, weights) = (_config.Layers[layer].Experts!, _layers[layer].Experts!);
        (_sum, _used, _scale, _scales) = (sum.Values, experts.Used, sum.Scale, weights.OutputScales);
        Score(rows, weights);
        _router.Route(_pool, experts, _logits, rows.Count);
        _window?.Begin(layer, _router.Experts);
        if (_window is null)
        {
            Multiply(_router.Experts, rows, layer);
        }
        else
        {
            Foresee(rows, layer + 1);
            // Those that are there, and then each as it comes.
            while (_window.Next() is { IsEmpty: false } there)
                Multiply(there, rows, layer);
        }

        if (rows.Count >= ParallelRows)
        {
            _pool.Run(this, rows.Count);
            return;
        }

        for (var row = 0; row < rows.Count; row++)
            Execute(row, 0);
    }

    /// <summary>Adds up one row.</summary>
    public override void Execute(int item, int worker)
    {
        var bytes = (long)_width * sizeof(float);
        var sum = _sum.Span<float>(item * bytes, _width);
        for (var rank = 0; rank < _used; rank++)
        {
            var slot = _router.SlotOf(item, rank);
            var weight = _scale * _router.WeightOf(item, rank) * (_scales?[_router.ExpertOf(slot)] ?? 1);
            VectorMath.AddScaled(weight, _down.Span<float>(slot * bytes, _width), sum);
        }
    }

    public void Dispose()
    {
        _input.Dispose();
        _buffer.Dispose();
    }

    private void Score(in LinearRows rows, ExpertWeights weights) =>
        _linear.Run(rows with { Norm = weights.Norms?.Router ?? rows.Norm }, new LinearTarget(weights.Router, weights.RouterBias, _logits));

    private void Multiply(ReadOnlySpan<int> chosen, in LinearRows rows, int layer)
    {
        var (experts, weights) = (_config.Layers[layer].Experts!, _layers[layer].Experts!);
        _input.Gather(_pool, chosen, rows with { Norm = weights.Norms?.Input ?? rows.Norm }, weights.Gate, weights.Up);
        _product.RunGated(_kind, chosen, new ExpertTarget(weights.Gate, weights.GateBias, _gate), new ExpertTarget(weights.Up, weights.UpBias, _up));
        _input.Prepare(_pool, chosen, new LinearRows(_gate, _router.SlotCount, experts.Width, null), weights.Down);
        _product.Run(chosen, new ExpertTarget(weights.Down, weights.DownBias, _down));
    }

    // What the next layer's router would choose of what has not been through this layer's experts nor the next attention: most of what it will.
    private void Foresee(in LinearRows rows, int layer)
    {
        if (layer >= _layers.Length || _layers[layer].Experts is not { } weights || _config.Layers[layer].Experts is not { } experts
            || !_window!.Foresees(layer, rows.Count * experts.Used))
        {
            return;
        }

        Score(rows with { Norm = _layers[layer].FeedForwardNorm }, weights);
        _window.Foresee(layer, _likely.AsSpan(0, _router.Likely(experts, _logits, rows.Count, _likely)));
    }

    // Of any layer.
    private static ExpertShape Most(ModelConfig config)
    {
        var most = new ExpertShape { Count = 1, Used = 1, Width = 1 };
        foreach (var layer in config.Layers)
        {
            if (layer.Experts is { } experts)
            {
                most = most with
                {
                    Count = Math.Max(most.Count, experts.Count),
                    Used = Math.Max(most.Used, experts.Used),
                    Width = Math.Max(most.Width, experts.Width),
                };
            }
        }

        return most;
    }

    // An expert may have any number of the batch's rows: the forms of one and of all.
    private static HashSet<ActivationKind> Kinds(Weights weights, int mostRows)
    {
        var kinds = new HashSet<ActivationKind>();
        foreach (var layer in weights.Layers)
        {
            if (layer.Experts is not { } experts)
                continue;
            foreach (var matrices in (ReadOnlySpan<WeightMatrix[]>)[experts.Gate, experts.Up, experts.Down])
            {
                foreach (var matrix in matrices)
                {
                    kinds.Add(Activations.KindOf(matrix, 1));
                    kinds.Add(Activations.KindOf(matrix, mostRows));
                }
            }
        }

        return kinds;
    }
}
