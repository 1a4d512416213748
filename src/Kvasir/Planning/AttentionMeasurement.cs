using Kvasir.Attention;
using Kvasir.Attention.Policies;
using Kvasir.Attention.Zones;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Measurement;
using Kvasir.Models.Configs;
using Kvasir.Synthetic;

namespace Kvasir.Planning;

/// <summary>Attention to random rows under one policy, by an engine whose model is little else: what a KV head costs, and each row in sight.</summary>
/// <param name="format">How rows are stored.</param>
/// <param name="heads">Elements of a head, and query heads that share a KV head.</param>
/// <param name="workers">That compute.</param>
/// <param name="scale">1 for figures; less for whoever wants any figures soon.</param>
internal sealed class AttentionMeasurement(KvFormat format, (int Dim, int GroupHeads) heads, WorkerPool workers, double scale)
{
    private const int Layers = 2;
    private const int KvHeads = 8;
    private const int DeepRows = 20_480;
    private const int ShallowShare = 10;
    private const int Steps = 4;
    private const int PromptRows = 256;
    private readonly int _deep = Math.Max(1024, (int)(DeepRows * scale));

    /// <summary>What a layer takes beside attention, where its matrices are next to nothing; of the last measurement.</summary>
    public double LayerMs { get; private set; }

    /// <param name="spec">A policy; what it reads without a choice, in some layers or short contexts, is left out.</param>
    public AttentionSpeed Measure(PolicySpec spec, CancellationToken cancellation)
    {
        using var model = Model.Synthetic(new SyntheticShape(Config(), Layers), SyntheticWeights.Q8_0);
        var policy = Everywhere(spec).Create();
        using var engine = new Engine(model, new EngineOptions
        {
            Kv = format,
            KvMemoryBytes = 2L << 30,
            ContextTokens = _deep + PromptRows + Steps,
            MaxSequences = 1,
            Workers = workers,
        });
        using var probe = new EngineProbe(engine, policy, _deep + PromptRows + Steps, seed: 1);
        var shallowRows = _deep / ShallowShare;
        var deep = At(probe, _deep, cancellation);
        var pairNs = spec.Entry == PolicyCatalog.Dense.Spec.Entry ? PairNs(probe, cancellation) : 0;
        var shallow = At(probe, shallowRows, cancellation);
        var rowMs = Math.Max(0, deep.Ms - shallow.Ms) / (_deep - shallowRows);
        var share = Math.Clamp((deep.Rows - shallow.Rows) / (_deep - shallowRows), 0, 1);
        return new AttentionSpeed(
            spec.ToString(), format.Name, heads.Dim, heads.GroupHeads,
            Rounded(Math.Max(0, shallow.Ms - (rowMs * shallowRows)) * 1000 / KvHeads), Rounded(rowMs * 1e6 / KvHeads))
        {
            Rows = Rounded(Math.Max(0, shallow.Rows - (share * shallowRows))),
            RowShare = share > 0.999 ? 1 : Rounded(share),
            PairNs = pairNs,
        };
    }

    // Milliseconds of a layer, and the rows that a KV head reads.
    private (double Ms, double Rows) At(EngineProbe probe, int depth, CancellationToken cancellation)
    {
        probe.FillRandom(depth, cancellation);
        var (rows, other) = (0.0, double.PositiveInfinity);
        var ms = new SettledTime(scale).Of(() =>
        {
            var run = probe.Decode(1, Steps, cancellation);
            rows = run.RowsRead / (double)(Steps * Layers * KvHeads);
            other = Math.Min(other, (run.TotalMs - run.AttentionMs - run.SelectionMs) / (Steps * Layers));
            return (run.AttentionMs + run.SelectionMs) / (Steps * Layers);
        });
        LayerMs = other;
        return (ms, rows);
    }

    private double PairNs(EngineProbe probe, CancellationToken cancellation)
    {
        var ms = new SettledTime(scale).Of(() => probe.Prefill(PromptRows, cancellation).AttentionMs);
        var pairs = (double)Layers * KvHeads * heads.GroupHeads * PromptRows * (_deep + (PromptRows / 2));
        return Math.Round(ms * 1e6 / pairs, 6);
    }

    private static double Rounded(double value) => Math.Round(value, 4);

    private static PolicySpec Everywhere(PolicySpec spec)
    {
        spec = spec.Takes(ExactZones.MinContextName) ? spec.With(ExactZones.MinContextName, "0") : spec;
        return spec.Takes(ExactZones.DenseLayersName) ? spec.With(ExactZones.DenseLayersName, "none") : spec;
    }

    // Wide enough to be a model, and no wider.
    private ModelConfig Config()
    {
        var tiny = SyntheticShape.Parse("tiny").Config;
        return tiny with
        {
            HeadCount = KvHeads * heads.GroupHeads,
            KvHeadCount = KvHeads,
            HeadDim = heads.Dim,
            ContextTokens = _deep + PromptRows + Steps,
            Rope = tiny.Rope with { Dim = heads.Dim },
        };
    }
}
