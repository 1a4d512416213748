using System.Globalization;
using Kvasir.Attention.Policies;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Measurement;
using Kvasir.Planning;
using Kvasir.Synthetic;
using Kvasir.Tiers;

namespace Kvasir.Bench.Predictions;

/// <summary>
/// What a plan foretells of steps, memory and pages, held against an engine over a store of a stated pace: twelve settings that nothing was fitted on, two
/// shapes x three contexts x two pools. Half of the pages are in memory and all are read, or a quarter and a twentieth is chosen. How many chosen pages a step
/// finds in memory is a figure of the queries, and what waking threads takes one of the machine: both are measured once, at another context.
/// </summary>
internal static class PredictionRun
{
    private const int TraceTokens = 16_384;
    private const double Reuse = 0.9;
    private const int Steps = 6;
    private const int WarmSteps = 12;
    private const string Chooses = "quest:share=0.05,page=32,dense-layers=none,min-context=0";
    private static readonly ReadPace Pace = new(20_000, 400e6, 100);
    private static readonly string[] Shapes = ["llama3.2-1b:4", "llama3.2-3b:2"];
    private static readonly int[] Contexts = [8192, 12_288, 20_480];
    private static readonly (string Policy, double Pool)[] Pools = [("dense", 0.5), (Chooses, 0.25)];

    /// <param name="shapes">Those of the two that are measured; none for both.</param>
    public static int Run(IReadOnlyList<string> shapes)
    {
        var worst = (Step: 0.0, Memory: 0.0, Pages: 0.0);
        Console.WriteLine(
            "shape           context  policy  pool  step ms planned  measured    off  memory planned  measured   off  pages planned  measured    off");
        foreach (var name in Shapes.Where(name => shapes.Count == 0 || shapes.Contains(name)))
        {
            var shape = SyntheticShape.Parse(name);
            using var model = Model.Synthetic(shape, SyntheticWeights.Q4_0);
            var sizes = ModelSizes.Of(model);
            var store = new StoreSpeed("paced", Pace.ReadsPerSecond, Pace.BytesPerSecond, Pace.LatencyUs, CpuUs: 10, WriteBytesPerSecond: 1e9);
            var machine = new MachineMeasurement().MeasureFor(sizes, [KvFormat.BF16], folder: null) with { Store = store };
            var planner = new TierPlanner(sizes, machine);
            var (hits, layerUs) = Trace(planner, model);
            planner = new TierPlanner(sizes, machine with { Store = store with { LayerUs = layerUs } });
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"{name,-14}  {TraceTokens,7}  a layer that waits: {layerUs:0} us; hits {hits.At(2):0.00}, {hits.At(4):0.00} with pools of 2 and 4 steps"));
            foreach (var (policy, pool) in Pools)
            {
                foreach (var context in Contexts)
                {
                    var (planned, measured) = Measure(planner, model, policy, (context, pool), hits);
                    var off = (Off(planned.StepMs, measured.Ms), Off(planned.Bytes, measured.Bytes), Off(planned.Pages, measured.Pages));
                    worst = (
                        Math.Max(worst.Step, Math.Abs(off.Item1)), Math.Max(worst.Memory, Math.Abs(off.Item2)), Math.Max(worst.Pages, Math.Abs(off.Item3)));
                    Console.WriteLine(string.Create(
                        CultureInfo.InvariantCulture,
                        $"{name,-14}  {context,7}  {policy.Split(':')[0],-6}  {pool,4:0.00}  {planned.StepMs,15:0.00}  {measured.Ms,8:0.00}  "
                            + $"{off.Item1,5:+0%;-0%}  {planned.Bytes / 1048576,10:0.0} MiB  {measured.Bytes / 1048576,8:0.0}  {off.Item2,4:+0%;-0%}  "
                            + $"{planned.Pages,13:0}  {measured.Pages,8:0}  {off.Item3,5:+0%;-0%}"));
                }
            }
        }

        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture, $"at most off: step {worst.Step:0%}, memory {worst.Memory:0.0%}, pages {worst.Pages:0%}"));
        return worst.Step <= 0.15 && worst.Memory <= 0.03 && worst.Pages <= 0.1 ? 0 : 1;
    }

    // At a context that is no setting's, with pools of twice, four and eight times what a step uses.
    private static (HitCurve Hits, double LayerUs) Trace(TierPlanner planner, Model model)
    {
        List<(double Pools, double Hits)> points = [(0, 0)];
        List<double> waits = [];
        foreach (var pool in (double[])[0.1, 0.2, 0.4])
        {
            var (planned, measured) = Measure(planner, model, Chooses, (TraceTokens, pool), HitCurve.OfNoise);
            points.Add((planned.PoolPages / planned.Used, 1 - (measured.Pages / planned.Used)));
            // With the pages that were missing, and no more.
            var curve = new HitCurve((0, points[^1].Hits), (100, points[^1].Hits));
            var (again, waited) = Measure(planner, model, Chooses, (TraceTokens, pool), curve);
            waits.Add((waited.Ms - again.StepMs) * 1000 / model.Config.LayerCount);
        }

        points.Add((100, 1));
        waits.Sort();
        return (new HitCurve([.. points]), Math.Max(0, waits[1]));
    }

    private static (Foretold Planned, (double Ms, double Bytes, double Pages) Measured) Measure(
        TierPlanner planner, Model model, string policy, (int Context, double Pool) setting, HitCurve hits)
    {
        var (spec, context) = (PolicyCatalog.Spec(policy), setting.Context);
        var (way, kvBytes) = Plan(planner, policy, setting, hits);
        using var engine = new Engine(model, new EngineOptions
        {
            Attention = spec.Create(),
            KvMemoryBytes = kvBytes,
            KvDiskBytes = way.DiskBytes + (64 << 20),
            KvPace = Pace,
            KvAhead = way.KvAhead,
            ContextTokens = context + 64,
            MaxSequences = 1,
        });
        using var probe = new EngineProbe(engine, spec.Create(), context + 64, seed: 1) { Reuse = policy == "dense" ? 0 : Reuse, Foresight = 0.99 };
        probe.FillRandom(context);
        probe.Decode(1, WarmSteps);
        var times = new double[3];
        var before = engine.Figures.KvFiles!.Value.Misses;
        for (var i = 0; i < times.Length; i++)
            times[i] = probe.Decode(1, Steps).TotalMs / Steps;
        Array.Sort(times);
        var missed = (engine.Figures.KvFiles!.Value.Misses - before) / (double)(times.Length * Steps);
        var memory = engine.Memory;
        return (
            new Foretold(way.StepMs, way.Memory.KeysAndValues + way.Memory.Scratch, way.PagesReadPerStep, way.PagesPerStep, way.PoolPages),
            (times[1], memory.TotalBytes, missed));
    }

    private static (PlannedWay Way, long KvBytes) Plan(TierPlanner planner, string policy, (int Context, double Pool) setting, HitCurve hits)
    {
        var request = new PlanRequest(setting.Context, 1, 8L << 30, 8L << 30) { Hits = policy == "dense" ? HitCurve.OfNoise : hits };
        var attention = PolicyCatalog.Spec(policy).Create();
        var all = planner.Way(request, attention, KvFormat.BF16, onFile: true)!;
        var kvBytes = (long)(setting.Pool * all.KvMemoryBytes);
        return (planner.Way(request, attention, KvFormat.BF16, onFile: true, kvBytes)!, kvBytes);
    }

    private static double Off(double planned, double measured) => (planned - measured) / Math.Max(1e-9, measured);

    private readonly record struct Foretold(double StepMs, double Bytes, double Pages, double Used, double PoolPages);
}
