using Kvasir.Attention.Policies;
using Kvasir.Cache;
using Kvasir.Ground;
using Kvasir.Kernels.Memory;
using Kvasir.Kernels.Threads;
using Microsoft.Extensions.Options;

namespace Kvasir.Server.Hosting;

/// <summary>Makes engines: of one model alone, or of several that share memory and threads.</summary>
internal sealed class ModelLoader : IDisposable
{
    private const double UsualShare = 0.8;
    private const long LeastKvBytes = 1 << 20;
    private readonly KvasirOptions _options;
    private readonly PrefixStores _stores;
    private readonly TimeProvider _clock;
    private readonly Lazy<WorkerPool> _workers;
    private readonly MemoryBudget? _memory;

    /// <exception cref="KvasirException">What the server was started with takes more memory than there is for models.</exception>
    public ModelLoader(IOptions<KvasirOptions> options, ModelList list, PrefixStores stores, TimeProvider clock)
    {
        (_options, _stores, _clock) = (options.Value, stores, clock);
        MemoryBytes = _options.MemoryBytes > 0 ? _options.MemoryBytes : (long)(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes * UsualShare);
        var engine = ServedModel.EngineOf(_options);
        _workers = new Lazy<WorkerPool>(
            () => new WorkerPool(engine.Threads == 0 ? ProcessorTopology.PhysicalCpus().Length : engine.Threads, pinned: engine.Threads == 0));
        if (_options.ModelsFolder is not null || _options.Named.Count > 1 || _options.MemoryBytes > 0)
            _memory = new MemoryBudget(KvMemory(engine, [.. list.Named]));
    }

    /// <summary>Whether models share memory and threads.</summary>
    public bool SharesMemory => _memory is not null;

    /// <summary>What weights, KV caches and indexes of all models may take.</summary>
    public long MemoryBytes { get; }

    /// <summary>What of that is for the KV caches together, where they share memory.</summary>
    public long KvBytes => _memory?.LimitBytes ?? 0;

    /// <summary>What a model's weights will take of memory.</summary>
    public long BytesOf(KnownModel known) =>
        _options.WeightsMemoryBytes > 0 ? Math.Min(known.Found.Bytes, _options.WeightsMemoryBytes) : known.Found.Bytes;

    /// <param name="progress">Told what share of it is read.</param>
    /// <exception cref="KvasirException">As <see cref="Model.Load"/> and the constructor of <see cref="Engine"/>.</exception>
    public ServedModel Load(KnownModel known, Action<double> progress)
    {
        var own = _options;
        var engine = ServedModel.EngineOf(own);
        if (SharesMemory)
            engine = engine with { Memory = _memory, Workers = _workers.Value };
        var settings = new ModelOptions
        {
            Repack = own.Repack,
            MemoryBytes = own.WeightsMemoryBytes,
            KvRank = own.KvRank,
            DraftWeights = own.DraftWeights,
            Progress = progress,
        };
        var model = known.Make is { } make ? make(settings) : Model.Load(known.Found.Path, settings);
        try
        {
            model.Weights.ReadAhead();
            if (own.Attention == AutoAttention.Name)
                engine = engine with { Attention = Choose(model, engine).Attention.Create() };
            // What the one who started the server says of templates is said of the models that he named.
            var template = (known.IsNamed ? own.GivenTemplate() ?? ServedModel.TemplateIn(own.ChatTemplate) : null) ?? model.Template;
            // The next turn repeats this one.
            engine = engine with { PrefixCache = engine.PrefixCache ?? true };
            engine = engine with { PrefixStores = engine.PrefixCache == true ? [.. engine.PrefixStores, .. _stores.All] : [] };
            return new ServedModel(known.Id, model, engine, template, _clock) { Known = known };
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        if (_workers.IsValueCreated)
            _workers.Value.Dispose();
    }

    // All that were named stay, so that what is not enough for them will never be.
    private static AutoChoice Choose(Model model, EngineOptions engine) => engine.KvDirectory is null
        ? AutoAttention.Choose(model.Config, engine.Kv, engine.ContextTokens)
        : AutoAttention.ChooseForFiles();

    private long KvMemory(EngineOptions engine, KnownModel[] named)
    {
        var weights = named.Sum(BytesOf);
        var free = Math.Min(ResidentMemory.AvailableBytes(), MemoryBytes) - weights;
        var bytes = engine.KvMemoryBytes > 0 ? engine.KvMemoryBytes : Math.Max(free / 2, LeastKvBytes);
        if (weights + bytes <= MemoryBytes)
            return bytes;
        var names = string.Join(" and ", named.Select(static known => known.Id));
        throw new KvasirException(
            KvasirError.BadOption,
            named.Length > 0
                ? $"{names} take {weights} bytes and their KV cache {bytes}, in all {weights + bytes}; {MemoryBytes} are there for models"
                : $"the KV cache takes {bytes} bytes, and {MemoryBytes} are there for models and their KV cache");
    }
}
