using Kvasir.Attention;
using Kvasir.Attention.Dropping;
using Kvasir.Attention.Heads;
using Kvasir.Attention.Indexes;
using Kvasir.Attention.Policies;
using Kvasir.Cache;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Measurement;
using Kvasir.Models.Configs;
using Kvasir.Synthetic;

namespace Kvasir.Bench.Gate;

/// <summary>
/// A decode step of one head under every policy, beside dense attention over the same rows. Random rows of the structure that benchmarks use, one thread.
/// </summary>
internal sealed class PolicySteps : IDisposable
{
    private const int Depth = 16384;
    private const int Dim = 128;
    private const int Group = 4;
    private const float ScoreDeviation = 2.5f;
    private static readonly AttentionShape Shape = new(2, Group, 1, Dim, null);

    // How many times as fast as dense attention a step is to be at least: less than half of what was measured. A policy that has no row fails.
    private static readonly Dictionary<string, double> Least = new()
    {
        ["dense"] = 0.4,
        ["magicpig"] = 0.8,
        ["psa"] = 0.4,
        ["streaming"] = 12,
        ["longformer"] = 7,
        ["sparse-transformer"] = 12,
        ["topk"] = 0.2,
        ["topp"] = 0.04,
        ["oracle"] = 0.15,
        ["quest"] = 2.5,
        ["guarded"] = 0.5,
        ["clusterkv"] = 2,
        ["had"] = 1,
        ["h2o"] = 0.8,
        ["snapkv"] = 3,
        ["pyramidkv"] = 25,
        ["adakv"] = 3,
        ["prefixkv"] = 3,
        ["dbudgetkv"] = 0.4,
        ["xkv"] = 3,
        ["kvmerger"] = 0.4,
        ["think"] = 0.4,
        ["alisa"] = 0.7,
        ["loki"] = 0.12,
    };

    private readonly KvCache _cache;
    private readonly AttentionScratch _scratch = new(Shape, KvFormat.BF16, Depth + PagePool.PageTokens, takesPrompts: false);
    private readonly List<Selector> _selectors = [];
    private readonly string _axes = Path.Combine(Path.GetTempPath(), $"kvasir-gate-{Environment.ProcessId}.safetensors");
    private readonly string _budgets = Path.Combine(Path.GetTempPath(), $"kvasir-gate-{Environment.ProcessId}.json");
    private readonly KvHead _rows;
    private readonly float[] _queries;

    public PolicySteps(GateCases cases)
    {
        var spectrum = Enumerable.Repeat(1f, Dim).ToArray();
        for (var i = 0; i < Dim; i++)
            spectrum[i] = MathF.Pow(0.97f, i);
        _cache = new KvCache(KvFormat.BF16, 1, 1, Dim, Depth * 4L * Dim * sizeof(float));
        var sequence = new SequenceCache(_cache.Pool, 1, 1, Depth + PagePool.PageTokens);
        if (!sequence.TryReserve(Depth))
            throw new InvalidOperationException("the gate's cache is too small");
        using (var pool = new WorkerPool(1))
            new RandomRows(1, spectrum, PairSpectrum.KeyDeviation(spectrum, ScoreDeviation, queries: 1), 1, 1).Fill(pool, sequence, 0, Depth);
        _rows = sequence.Head(0, 0);
        _queries = cases.Normal(Group * Dim);
        for (var i = 0; i < _queries.Length; i++)
            _queries[i] *= 1.7f * spectrum[i % Dim] / MathF.Sqrt(Dim);
        WriteAxes();
        var shares = new double[Shape.LayerCount * LayerBudgets.Steps];
        for (var i = 0; i < shares.Length; i++)
            shares[i] = (1.0 + (i % LayerBudgets.Steps)) / LayerBudgets.Steps;
        new LayerBudgets("gate", Shape.LayerCount, 1, Dim, shares).Save(_budgets, 1, 1);
        _scratch.PrepareToObserve(Shape, Depth + PagePool.PageTokens);
        foreach (var entry in PolicyCatalog.Entries)
            cases.Add(
                new GateCase(
                    $"a step of {entry.Name}", "policy", Least.GetValueOrDefault(entry.Name, double.PositiveInfinity),
                    Step(PolicyCatalog.Dense), Step(Made(entry))));
    }

    public void Dispose()
    {
        foreach (var selector in _selectors)
            selector.Dispose();
        _scratch.Dispose();
        _cache.Dispose();
        File.Delete(_axes);
        File.Delete(_budgets);
    }

    // Sparse however short the context, in every layer.
    private AttentionPolicy Made(PolicyEntry entry)
    {
        var spec = new PolicySpec(entry);
        foreach (var (name, value) in new[] { ("min-context", "0"), ("dense-layers", "none"), ("file", entry.Name == "xkv" ? _budgets : _axes) })
            spec = spec.Takes(name) ? spec.With(name, value) : spec;
        return spec.Create();
    }

    private Action Step(AttentionPolicy policy)
    {
        var selector = policy.CreateSelector(new HeadPlace(1, Shape.LayerCount, 0, Group, Dim, Depth + PagePool.PageTokens));
        _selectors.Add(selector);
        var head = new AttentionHead(_rows, selector);
        head.Append(0, Depth);
        head.EndPrompt();
        head.Build(_scratch.Index);
        var observes = policy.ObservesDecode;
        var step = 0;
        return () =>
        {
            var counts = default(SelectionCounts);
            // Steps of different lengths: policies may keep what they found for a step that is done again.
            head.Attend(_queries, (0, Depth - (step++ & 1)), observes ? new Watchers(_scratch.Observed, null) : default, _scratch, ref counts);
        };
    }

    private void WriteAxes()
    {
        var axes = new float[Shape.LayerCount * Dim * Dim];
        for (var i = 0; i < Shape.LayerCount * Dim; i++)
            axes[(i * Dim) + (i % Dim)] = 1;
        new KeyAxes(Shape.LayerCount, 1, Dim, axes).Save(_axes, "gate", 1);
    }
}
