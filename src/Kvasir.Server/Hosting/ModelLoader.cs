using Kvasir.Attention.Policies;
using Kvasir.Cache;
using Kvasir.Ground;
using Kvasir.Kernels.Memory;
using Kvasir.Kernels.Threads;
using Microsoft.Extensions.Options;

namespace Kvasir.Server.Hosting;

/// <summary>Makes engines: of one model alone, or of several that share memory and threads.</summary>
internal sealed class ModelLoader(IOptions<KvasirOptions> options, TimeProvider clock) : IDisposable
{
    private const double UsualShare = 0.8;
    private readonly Lazy<(MemoryBudget Memory, WorkerPool Workers)> _shared = new(() => Share(options.Value));

    /// <summary>Whether there may be several.</summary>
    public bool SharesMemory => options.Value.ModelsFolder is not null;

    /// <summary>What weights, KV caches and indexes of all models may take.</summary>
    public long MemoryBytes { get; } = options.Value.MemoryBytes > 0 ? options.Value.MemoryBytes
        : (long)(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes * UsualShare);

    /// <summary>What of that is for the KV caches together.</summary>
    public long KvBytes => _shared.Value.Memory.LimitBytes;

    /// <exception cref="KvasirException">As <see cref="Model.Load"/> and the constructor of <see cref="Engine"/>.</exception>
    public ServedModel Load(KnownModel known)
    {
        var own = options.Value;
        var engine = ServedModel.EngineOf(own);
        if (SharesMemory)
            engine = engine with { Memory = _shared.Value.Memory, Workers = _shared.Value.Workers };
        var settings = new ModelOptions { Repack = own.Repack, Progress = share => known.Progress = share };
        var model = known.IsNamed && own.GivenModel() is { } make ? make(settings) : Model.Load(known.Found.Path, settings);
        try
        {
            model.Weights.ReadAhead();
            if (own.Attention == AutoAttention.Name)
                engine = engine with { Attention = AutoAttention.Choose(model.Config, engine.Kv, engine.ContextTokens).Attention.Create() };
            // What the one who started the server says of templates is said of the model that he named.
            var template = (known.IsNamed ? own.GivenTemplate() ?? ServedModel.TemplateIn(own.ChatTemplate) : null) ?? model.Template;
            // The next turn repeats this one.
            engine = engine with { PrefixCache = engine.PrefixCache ?? true };
            return new ServedModel(known.Id, model, engine, template, clock) { Known = known };
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        if (_shared.IsValueCreated)
            _shared.Value.Workers.Dispose();
    }

    private static (MemoryBudget, WorkerPool) Share(KvasirOptions options)
    {
        var engine = ServedModel.EngineOf(options);
        var bytes = engine.KvMemoryBytes > 0 ? engine.KvMemoryBytes : ResidentMemory.AvailableBytes() / 2;
        return (new MemoryBudget(bytes),
            new WorkerPool(engine.Threads == 0 ? ProcessorTopology.PhysicalCpus().Length : engine.Threads, pinned: engine.Threads == 0));
    }
}
