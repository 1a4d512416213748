using Kvasir.Files;
using Kvasir.Kernels.Matrix;
using Kvasir.Kernels.Memory;
using Kvasir.Models.Configs;

namespace Kvasir.Synthetic;

/// <summary>
/// The tensors of a model that lies in no file: random matrices of its shape, made when they are first asked for, and norms of ones. Queries and keys have a
/// <see cref="PairSpectrum"/>.
/// </summary>
internal sealed class SyntheticTensors : ITensorSource
{
    private readonly Dictionary<string, (WeightType Type, long[] Shape)> _shapes = new(StringComparer.Ordinal);
    private readonly Dictionary<string, NativeBuffer> _made = new(StringComparer.Ordinal);
    private readonly HashSet<string> _spread = new(StringComparer.Ordinal);
    private readonly HashSet<string> _windowSpread = new(StringComparer.Ordinal);
    private readonly float[] _spectrum;
    private readonly float[] _windowSpectrum;
    private readonly SyntheticWeights _stored;
    private readonly ulong _seed;
    private ulong _madeCount;

    /// <param name="seed">The same seed gives the same weights.</param>
    public SyntheticTensors(SyntheticShape shape, SyntheticWeights weights, ulong seed)
    {
        (Path, _stored, _seed, _spectrum) = ($"synthetic {shape.Name}", weights, seed, PairSpectrum.Factors(shape.Config.Rope, shape.Config.HeadDim));
        _windowSpectrum = shape.Config is { WindowHeads: { } heads, WindowRope: { } rope } ? PairSpectrum.Factors(rope, heads.Dim) : _spectrum;
        var (config, names, mix) = (shape.Config, Files.TensorNames.Gguf, new SyntheticMix(weights, shape.Config));
        Add(names.Embedding, mix.Embedding, config.VocabularySize, config.Width);
        if (!config.TiedEmbedding)
            Add(names.Output, mix.Logits, config.VocabularySize, config.Width);
        AddVector(names.OutputNorm, config.Width);
        for (var layer = 0; layer < config.LayerCount; layer++)
            AddLayer(names, layer, config, mix);
    }

    public string Path { get; }

    public string? Origin => $"{Path}, {_stored}, seed {_seed}";

    public IEnumerable<string> TensorNames => _shapes.Keys;

    /// <summary>Bytes of all tensors together.</summary>
    public long Bytes => _shapes.Values.Sum(static tensor => BytesOf(tensor.Type, tensor.Shape));

    /// <summary>How a tensor is stored and how large it is, without making it: a vector is one row; of experts that lie together, each one's matrix.</summary>
    public TensorSize SizeOf(string name)
    {
        var (type, shape) = _shapes[name];
        return new TensorSize(type, shape.Length == 1 ? 1 : (int)shape[^2], (int)shape[^1], shape.Length > 2 ? (int)shape[0] : 0);
    }

    public bool TryFind(string name, out StoredTensor stored)
    {
        stored = default;
        if (!_shapes.TryGetValue(name, out var tensor))
            return false;
        if (!_made.TryGetValue(name, out var buffer))
            _made[name] = buffer = Make(name, tensor.Type, tensor.Shape);
        stored = new StoredTensor(name, Path, tensor.Type, tensor.Shape, buffer.View);
        return true;
    }

    // Rows of the embedding are looked up as long as the model lives.
    public void Release(in StoredTensor stored)
    {
        if (stored.Name != Files.TensorNames.Gguf.Embedding && _made.Remove(stored.Name, out var buffer))
            buffer.Dispose();
    }

    public void ReadAhead()
    {
    }

    public void Dispose()
    {
        foreach (var buffer in _made.Values)
            buffer.Dispose();
    }

    private static long BytesOf(WeightType type, long[] shape)
    {
        var rowBytes = WeightLayout.RowBytes(type, (int)shape[^1]);
        foreach (var rows in shape.AsSpan(0, shape.Length - 1))
            rowBytes *= rows;
        return rowBytes;
    }

    private void AddLayer(TensorNames names, int layer, ModelConfig config, SyntheticMix mix)
    {
        var shape = config.Layers[layer];
        var heads = config.HeadsOf(shape);
        var (queryWidth, kvWidth) = (config.HeadCount * heads.Dim, heads.KvHeadCount * heads.Dim);
        AddVector(Name(names.AttentionNorm), config.Width);
        Add(Name(names.Query), mix.Plain, queryWidth, config.Width);
        Add(Name(names.Key), mix.Plain, kvWidth, config.Width);
        (shape.SeesAll || config.WindowHeads is null ? _spread : _windowSpread).UnionWith([Name(names.Query), Name(names.Key)]);
        if (!shape.ValuesAreKeys)
            Add(Name(names.Value), mix.ValueOrDown(layer), kvWidth, config.Width);
        Add(Name(names.AttentionOutput), mix.Plain, config.Width, queryWidth);
        if (shape.HasSinks)
            AddVector(Name(names.Sinks), config.HeadCount);
        AddVector(Name(names.FeedForwardNorm), config.Width);
        if (shape.Experts is { } experts)
        {
            Add(Name(names.Experts.Router), WeightType.BF16, experts.Count, config.Width);
            Add(Name(names.Experts.Gate), mix.Plain, experts.Count, experts.Width, config.Width);
            Add(Name(names.Experts.Up), mix.Plain, experts.Count, experts.Width, config.Width);
            Add(Name(names.Experts.Down), mix.ValueOrDown(layer), experts.Count, config.Width, experts.Width);
        }

        if (shape.Experts is null or { HasOwnNorms: true })
        {
            Add(Name(names.Gate), mix.Plain, config.FeedForwardWidth, config.Width);
            Add(Name(names.Up), mix.Plain, config.FeedForwardWidth, config.Width);
            Add(Name(names.Down), mix.ValueOrDown(layer), config.Width, config.FeedForwardWidth);
        }

        AddOtherNorms(names, layer, config);

        string Name(string part) => names.Layer(layer, part);
    }

    private void AddOtherNorms(TensorNames names, int layer, ModelConfig config)
    {
        var shape = config.Layers[layer];
        if (shape.Norms == NormPlacement.Around)
        {
            AddVector(Name(names.AttentionOutputNorm), config.Width);
            AddVector(Name(names.FeedForwardOutputNorm), config.Width);
        }

        if (shape.HasScale)
            AddVector(Name(names.LayerScale), 1);
        if (shape.Experts is { HasOwnNorms: true } experts)
        {
            var own = names.Experts;
            foreach (var name in (ReadOnlySpan<string>)[own.RouterScale, own.InputNorm, own.OutputNorm, own.SharedOutputNorm])
                AddVector(Name(name), config.Width);
            AddVector(Name(own.OutputScales), experts.Count);
        }

        if (shape.QkNorm == QkNorm.None)
            return;
        AddVector(Name(names.QueryNorm), config.HeadsOf(shape).Dim);
        AddVector(Name(names.KeyNorm), config.HeadsOf(shape).Dim);

        string Name(string part) => names.Layer(layer, part);
    }

    private void Add(string name, WeightType type, params long[] shape) => _shapes.Add(name, (type, shape));

    private void AddVector(string name, long count) => _shapes.Add(name, (WeightType.F32, [count]));

    private NativeBuffer Make(string name, WeightType type, long[] shape)
    {
        var buffer = new NativeBuffer(BytesOf(type, shape));
        if (shape.Length == 1)
            buffer.Span<float>((int)shape[0]).Fill(1);
        else
            RandomBlocks.Fill(type, buffer.View, _seed + (_madeCount++ << 32));
        if (_spread.Contains(name))
            RandomBlocks.ScaleRows(type, buffer.View, (int)shape[1], _spectrum);
        else if (_windowSpread.Contains(name))
            RandomBlocks.ScaleRows(type, buffer.View, (int)shape[1], _windowSpectrum);
        return buffer;
    }
}

/// <param name="Type">How it is stored.</param>
/// <param name="Rows">Of it, or of each of its experts' matrices.</param>
/// <param name="Columns">Of them.</param>
/// <param name="Experts">How many lie in it; 0 for a matrix or a vector.</param>
internal readonly record struct TensorSize(WeightType Type, int Rows, int Columns, int Experts);
