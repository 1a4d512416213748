using Kvasir.Files;
using Kvasir.Ground;
using Kvasir.Kernels.Matrix;
using Kvasir.Kernels.Matrix.Packed;
using Kvasir.Kernels.Memory;
using Kvasir.Models.Configs;
using Kvasir.Models.Families;
using Kvasir.Models.Streaming;
using Kvasir.Synthetic;

namespace Kvasir.Models;

/// <summary>
/// The weights of a model. Matrices stay where the file is mapped, or are packed for this machine's kernels; norms and biases are decoded.
/// Owns the container that they lie in: disposing the weights closes it at once, or when the step ends that an engine is computing with them. A matrix that was
/// taken out before is not to be read afterwards.
/// </summary>
public sealed class Weights : IDisposable
{
    private readonly UseCount _uses = new();
    private readonly WeightMatrix _embedding;
    private readonly WeightMatrix _output;
    private readonly WeightMatrix? _positions;
    private readonly LayerWeights[] _layers;
    private readonly ITensorSource _source;
    private readonly WeightPacker _packer;
    private readonly LowRankValues? _lowRank;
    private readonly Lazy<string> _fingerprint;
    private readonly long _everyStepBytes;
    private readonly double _chosenShare;
    private readonly WeightPacker? _drafts;

    private Weights(
        ITensorSource source, (WeightPacker Own, WeightPacker? Drafts) packers, LowRankValues? lowRank, TensorNames names, ModelConfig config,
        (Action<double>? Progress, WeightPlaces Places) loading)
    {
        (_source, _packer, _lowRank, _drafts) = (source, packers.Own, lowRank, packers.Drafts);
        // First, while all is where it is stored.
        Draft = _drafts is null ? null : new DraftWeights(source, names, config, _drafts);
        var reader = new WeightsReader(source, names, config, packers.Own, lowRank);
        _embedding = reader.Embedding();
        _output = reader.Output();
        _positions = reader.Positions();
        OutputNorm = reader.OutputNorm();
        _layers = new LayerWeights[config.LayerCount];
        for (var i = 0; i < _layers.Length; i++)
        {
            packers.Own.IsPaused = loading.Places.Layers?.IsRead[i] == true;
            _layers[i] = reader.Layer(i);
            loading.Progress?.Invoke((i + 1.0) / config.LayerCount);
        }

        reader.RequireAllRead();
        Window = loading.Places.Layers is { ReadCount: > 0 } shares ? LayerWindow.Of(shares, _layers, source) : null;
        Draft?.Complete(_output, _layers);
        (Bytes, ParameterCount) = (reader.Bytes, reader.ParameterCount);
        if (config.Layers[0].Experts is { } experts)
            (Experts, _chosenShare) = (MemoryOf(_layers, experts, loading.Places.ReadsExperts), (double)experts.Used / experts.Count);
        ExpertWindow = loading.Places.ReadsExperts ? WindowOf(loading.Places) : null;
        _fingerprint = new Lazy<string>(() => ModelFingerprint.Of(source, config, releases: Window is not null || ExpertWindow is not null));
        _everyStepBytes = _output.Bytes + _layers.Sum(static layer => layer.MatrixBytes);
    }

    /// <summary>[VocabularySize, Width].</summary>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    public WeightMatrix Embedding => Open(_embedding);

    /// <summary>[ContextTokens, Width], added to the embedding; null where positions are not learned.</summary>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    public WeightMatrix? Positions => Open(_positions);

    /// <summary>[VocabularySize, Width]: the embedding itself where the model ties both.</summary>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    public WeightMatrix Output => Open(_output);

    /// <summary>[Width], or [2, Width]: see <see cref="LayerWeights"/>.</summary>
    public float[] OutputNorm { get; }

    /// <summary>
    /// From the embedding to the output. Those that memory has no place for (<see cref="Streamed"/>) have their numbers while a step computes with them.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    public LayerWeights[] Layers => Open(_layers);

    /// <summary>Bytes of all tensors as stored.</summary>
    public long Bytes { get; }

    /// <summary>Numbers of all tensors.</summary>
    public long ParameterCount { get; }

    /// <summary>
    /// Bytes of the matrices that were packed or made of others, whose stored bytes are not kept in memory; 0 when all are read where they lie.
    /// </summary>
    public long PackedBytes => _packer.Bytes + (_lowRank?.Bytes ?? 0);

    /// <summary>Bytes of the matrices in 4 bits beside them; 0 without <see cref="ModelOptions.DraftWeights"/>.</summary>
    public long DraftBytes => _drafts?.Bytes ?? 0;

    /// <summary>
    /// Bytes of the matrices that a step of one token reads: all layers and the output, of experts those that it chooses, of the embedding only rows.
    /// </summary>
    public long StepBytes => StepBytesOf(1);

    /// <summary>Null in models without experts.</summary>
    public ExpertMemory? Experts { get; }

    /// <summary>Layers or experts that memory has no place for; null where all are there.</summary>
    public StreamedWeights? Streamed => Window?.Figures ?? (ExpertWindow is { } window ? Of(window, Experts!.TokenBytes) : null);

    /// <summary>What they take of memory, once all is there that stays.</summary>
    public long ResidentBytes => ExpertWindow is { } experts
        ? Bytes - Experts!.Bytes + experts.Bytes
        : Bytes - (Window?.PassBytes ?? 0) + (Window?.Bytes ?? 0);

    /// <summary>What layers go through that memory has no place for; null where it has it for all.</summary>
    internal LayerWindow? Window { get; }

    /// <summary>The same of experts.</summary>
    internal ExpertWindow? ExpertWindow { get; }

    /// <summary>What tokens are guessed by; null for none.</summary>
    internal DraftWeights? Draft { get; }

    /// <summary>Takes over the file: disposing the weights closes it. Where this throws, the file stays the caller's.</summary>
    /// <exception cref="KvasirException">A tensor is missing, has another shape than the configuration, or has no place in it.</exception>
    public static Weights Load(Gguf file, ModelConfig config, ModelOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(file);
        ArgumentNullException.ThrowIfNull(config);
        return Load(file, ModelFamilies.GgufNames(config.Architecture), config, options);
    }

    /// <inheritdoc cref="Load(Gguf, ModelConfig, ModelOptions)"/>
    public static Weights Load(Safetensors files, ModelConfig config, ModelOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(files);
        ArgumentNullException.ThrowIfNull(config);
        return Load(files, ModelFamilies.FolderNames(config.Architecture).In(files), config, options);
    }

    /// <summary>Weights that lie in no file; the source is owned from now on.</summary>
    internal static Weights Load(SyntheticTensors tensors, ModelConfig config, ModelOptions? options = null) =>
        Load(tensors, ModelFamilies.GgufNames(config.Architecture), config, options);

    /// <summary>The same for a step of several tokens, as many experts as differ on average where all are as likely.</summary>
    internal long StepBytesOf(int tokens) =>
        _everyStepBytes + (Experts is { } experts ? (long)Math.Round(experts.Bytes * (1 - Math.Pow(1 - _chosenShare, tokens))) : 0);

    /// <summary>As <see cref="ModelFingerprint"/> says; computed when it is first asked for, by somebody who has entered.</summary>
    internal string Fingerprint => _fingerprint.Value;

    /// <summary>Whether somebody has disposed them.</summary>
    internal bool IsDisposed => _uses.IsClosed;

    /// <summary>Asks the system to read the files into memory now instead of at first use. Returns at once.</summary>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    public void ReadAhead()
    {
        if (Window is null && ExpertWindow is null)
            Open(_source).ReadAhead();
    }

    public void Dispose()
    {
        if (_uses.Close())
            Free();
    }

    /// <summary>Keeps the matrices where they are until <see cref="Leave"/>. False when they are disposed.</summary>
    internal bool TryEnter() => _uses.TryEnter();

    internal void Leave()
    {
        if (_uses.Leave())
            Free();
    }

    private T Open<T>(T part)
    {
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        return part;
    }

    private void Free()
    {
        Window?.Dispose();
        ExpertWindow?.Dispose();
        _packer.Dispose();
        _drafts?.Dispose();
        _lowRank?.Dispose();
        _source.Dispose();
    }

    private static Weights Load(ITensorSource source, TensorNames names, ModelConfig config, ModelOptions? options)
    {
        options ??= new ModelOptions();
        if (options.DraftWeights && config.ValueDim != config.HeadDim)
        {
            throw new KvasirException(
                KvasirError.BadOption, $"draft weights make values of {config.HeadDim} elements, and a rank of {config.ValueDim} was asked for");
        }

        var places = options.MemoryBytes == 0 ? default : PlacesOf(source, names, config, options);
        var fits = config.Layers[0].Experts is null || (!places.ReadsExperts && Fits(source));
        var packer = new WeightPacker(options.Repack, fits);
        var drafts = options.DraftWeights ? new WeightPacker(options.Repack, narrows: true) : null;
        var lowRank = config.ValueDim == config.HeadDim ? null : new LowRankValues(config.HeadDim, config.ValueDim);
        if (packer.IsEnabled && fits && places.Layers is not { ReadCount: > 0 })
            source.ReadAhead();
        try
        {
            return new Weights(source, (packer, drafts), lowRank, names, config, (options.Progress, places));
        }
        catch
        {
            packer.Dispose();
            drafts?.Dispose();
            lowRank?.Dispose();
            throw;
        }
    }

    // What stays beside layers: the embedding, of which rows are looked up, and what gives logits, which may be a copy of it.
    private static WeightPlaces PlacesOf(ITensorSource source, TensorNames names, ModelConfig config, ModelOptions options)
    {
        if (source.Origin is not null)
            throw Unsuited(source, options, "they lie in no file");
        var layers = new long[config.LayerCount];
        var (other, copied) = (0L, 0L);
        foreach (var name in source.TensorNames)
        {
            var bytes = source.TryFindBytes(name, out var stored) || source.TryFind(name, out stored) ? stored.View.Bytes : 0;
            if (names.LayerOf(name) is { } layer && layer < layers.Length)
                layers[layer] += bytes;
            else
                other += bytes;
            copied += name == names.Embedding && config.TiedEmbedding && options.Repack && PackedWeights.Pays(stored.Type) ? bytes : 0;
        }

        if (other + copied + layers.Sum() <= options.MemoryBytes)
            return default;
        var why = options.DraftWeights ? "there are draft weights beside them"
            : config.ValueDim != config.HeadDim ? "values are narrower than they are there"
            : config.Layers[0].Experts is not null && names.Experts.Alternates
            ? "its experts are rearranged when it is loaded; a GGUF file of it has them as they are read"
            : null;
        if (why is not null)
            throw Unsuited(source, options, why);
        return config.Layers[0].Experts is not null
            ? new WeightPlaces(null, options.MemoryBytes, copied)
            : LayerShares.Of(layers, other + copied, options.MemoryBytes) is { } shares
            ? new WeightPlaces(shares, options.MemoryBytes, copied)
            : throw TooLittle(source, options.MemoryBytes, LayerShares.LeastBytes(layers, other + copied), "two layers at a time");
    }

    private ExpertWindow WindowOf(WeightPlaces places)
    {
        var matrices = Array.ConvertAll(
            _layers, static layer => layer.Experts is { } experts ? new ExpertMatrices(experts.Gate, experts.Up, experts.Down) : (ExpertMatrices?)null);
        var sizes = Array.ConvertAll(matrices, own => own is { } experts ? (experts.SlotBytes(_source), experts.Gate.Length) : (0, 0));
        var other = Bytes - Experts!.Bytes + places.CopiedBytes;
        return ExpertShares.Of(sizes, places.LimitBytes - other) is { } shares
            ? ExpertWindow.Of(shares, matrices, _source)
            : throw TooLittle(_source, places.LimitBytes, other + ExpertShares.LeastBytes(sizes), "two experts of each layer at a time");
    }

    private static KvasirException TooLittle(ITensorSource source, long limitBytes, long leastBytes, string beside) => new(
        KvasirError.BadOption,
        $"the weights of {source.Path} may take {limitBytes} bytes of memory; they need {leastBytes} at least, for what stays and {beside}");

    private static KvasirException Unsuited(ITensorSource source, ModelOptions options, string why) => new(
        KvasirError.Unsupported, $"the weights of {source.Path} cannot be read layer by layer, so as to take {options.MemoryBytes} bytes of memory: {why}");

    private static StreamedWeights Of(ExpertWindow window, long tokenBytes) => new(window.LayerCount, tokenBytes)
    {
        WhyCached = window.WhyCached,
        BytesRead = window.BytesRead,
        WaitedMs = window.WaitedMs,
        ExpertPlaces = window.Experts.Places,
        ExpertCount = window.Experts.All,
        ExpertsChosen = window.Chosen.All,
        ExpertsThere = window.Chosen.There,
    };

    private static ExpertMemory MemoryOf(LayerWeights[] layers, ExpertShape shape, bool areRead)
    {
        var (all, mapped) = (0L, 0L);
        foreach (var layer in layers)
        {
            var experts = layer.Experts!;
            all += experts.Bytes;
            mapped += areRead || experts.Gate[0].IsPacked ? 0 : experts.Bytes;
        }

        return new ExpertMemory(all, (long)((double)all * shape.Used / shape.Count), mapped);
    }

    // Copies cannot leave memory as pages of a file can: an eighth of it is for rows of keys and values, and whatever else there is. Tensors that are made when
    // they are asked for were held against memory already.
    private static bool Fits(ITensorSource source)
    {
        if (source.Origin is not null)
            return true;
        var bytes = 0L;
        foreach (var name in source.TensorNames)
            bytes += source.TryFindBytes(name, out var stored) || source.TryFind(name, out stored) ? stored.View.Bytes : 0;
        return bytes <= ResidentMemory.AvailableBytes() / 8 * 7;
    }

    /// <summary>What of the weights is read whenever a step comes to it; nothing is by default.</summary>
    /// <param name="Layers">Null for a model with experts, of which some have a place.</param>
    /// <param name="LimitBytes"><see cref="ModelOptions.MemoryBytes"/>.</param>
    /// <param name="CopiedBytes">Of what is in memory twice.</param>
    private readonly record struct WeightPlaces(LayerShares? Layers, long LimitBytes, long CopiedBytes)
    {
        public bool ReadsExperts => LimitBytes > 0 && Layers is null;
    }
}
