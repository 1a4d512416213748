using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Cli.Terminal;
using Kvasir.Kernels.Memory;
using Kvasir.Measurement;

namespace Kvasir.Cli.Bench;

/// <summary>Measures the cases of a plan one after another. Each depth has an engine of its own, so that its peak of memory is its own.</summary>
/// <param name="template">A row with what all have in common.</param>
/// <param name="probeBytes">What a thread reads when bandwidth is measured.</param>
internal sealed class BenchRun(BenchPlan plan, Model model, BenchRow template, long probeBytes, CancellationToken cancellation)
{
    private const int LeastDecodeSteps = 8;
    private const double DecodeRunMs = 300;
    private const int WarmUpTokens = 64;
    private const int WarmRounds = 3;
    private const double WarmGain = 0.97;
    private const double MostWarmUpMs = 5000;
    private const int FileWarmRounds = 8;
    private const double MostFileWarmUpMs = 15_000;
    private const double FreshMs = 2000;
    private readonly List<BenchRow> _rows = [];
    private EngineProbe? _probe;
    private string _stage = "preparing";
    private int _stageTokens;
    private int _earlierTokens;
    private long _stageStart = TimeProvider.System.GetTimestamp();
    private int _caseIndex;
    private double _bandwidth;
    private long _bandwidthTaken;

    public IReadOnlyList<BenchRow> Rows => _rows;

    /// <summary>What is being done, for a progress line; from any thread.</summary>
    public string Progress
    {
        get
        {
            var (probe, tokens, earlier) = (_probe, _stageTokens, _earlierTokens);
            var done = tokens == 0 || probe is null
                ? ""
                : $": {SpeedText.Describe(earlier + probe.DoneTokens, tokens, TimeProvider.System.GetElapsedTime(_stageStart))}";
            return $"case {Math.Min(_caseIndex + 1, plan.CaseCount)} of {plan.CaseCount}, {_stage}{done}";
        }
    }

    /// <exception cref="KvasirException">The memory cannot be had after all.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; <see cref="Rows"/> has what was measured until then.</exception>
    public void Measure()
    {
        var cases = from eviction in plan.KvEvictions from policy in plan.Attention from depth in plan.Depths select (eviction, policy, depth);
        foreach (var (eviction, policy, depth) in cases)
        {
            using var engine = new Engine(model, plan.Options(depth, model.Config, eviction));
            using var probe = new EngineProbe(engine, policy, plan.TokensAt(depth), plan.Seed)
            {
                AuditShare = plan.AuditShare,
                Reuse = plan.Reuse,
                Foresight = plan.Foresight,
            };
            _probe = probe;
            MeasureDepth(engine, probe, template with
            {
                Attention = policy.Name,
                KvEvict = plan.HasFiles ? EngineFlags.NameOf(eviction) : null,
                Reuse = plan.Reuse > 0 ? plan.Reuse : null,
                Foresight = plan.Reuse > 0 ? plan.Foresight : null,
                Depth = depth,
                Threads = engine.ThreadCount,
                Fill = FillName(depth),
                KvBytesPerToken = engine.Plan.KvBytesPerToken,
                ScratchBytes = engine.Plan.ScratchBytes,
            });
        }
    }

    private string FillName(int depth) => depth == 0 ? "none" : ReportJson.Name(plan.Fill);

    private void MeasureDepth(Engine engine, EngineProbe probe, BenchRow row)
    {
        ResidentMemory.TryResetPeak();
        Fill(probe, row.Depth);
        WarmUp(probe);
        var first = _rows.Count;
        foreach (var tokens in plan.PrefillTokens)
            _rows.Add(Prefill(probe, row with { Batch = 1 }, tokens));
        foreach (var batch in plan.Decodes ? plan.Batches : [])
        {
            // One sequence that decodes shares the row of the first prefill.
            var shared = batch == 1 && _rows.Count > first;
            var measured = Decode(engine, probe, shared ? _rows[first] : row with { Batch = batch });
            if (shared)
                _rows[first] = measured;
            else
                _rows.Add(measured);
        }
    }

    private void Fill(EngineProbe probe, int depth)
    {
        Begin($"filling the cache to depth {SizeText.Count(depth)} ({FillName(depth)})", depth);
        if (depth > 0 && plan.Fill == BenchFill.Random)
            probe.FillRandom(depth, cancellation);
        else if (depth > 0)
            probe.FillByPrefill(depth, cancellation);
    }

    // The first steps run code that is not optimised yet, and read weights that are not in memory yet. Every policy has code of its own, and may do without it
    // at another depth: steps are warm when they have become no faster a few times.
    private void WarmUp(EngineProbe probe)
    {
        Begin("warming up", 0);
        var start = TimeProvider.System.GetTimestamp();
        var (best, stalled) = (double.PositiveInfinity, 0);
        // Where memory does not hold all, it takes a while until it holds what is used.
        var (rounds, mostMs) = plan.HasFiles ? (FileWarmRounds, MostFileWarmUpMs) : (0, MostWarmUpMs);
        while ((stalled < WarmRounds || rounds > 0) && TimeProvider.System.GetElapsedTime(start).TotalMilliseconds < mostMs)
        {
            var round = WarmUpRound(probe);
            rounds--;
            stalled = round >= best * WarmGain ? stalled + 1 : 0;
            best = Math.Min(best, round);
        }
    }

    // Milliseconds.
    private double WarmUpRound(EngineProbe probe)
    {
        var round = default(StepTimings);
        if (plan.PrefillTokens.Length > 0)
            round += probe.Prefill(Math.Min(plan.PrefillTokens[0], WarmUpTokens), cancellation);
        if (plan.Decodes)
            round += probe.Decode(1, Math.Min(plan.DecodeSteps ?? LeastDecodeSteps, LeastDecodeSteps), cancellation);
        return round.TotalMs;
    }

    private BenchRow Prefill(EngineProbe probe, BenchRow row, int tokens)
    {
        var rates = new double[plan.Repeat];
        Begin($"prefill of {plan.Repeat} x {SizeText.Count(tokens)} at depth {SizeText.Count(row.Depth)}", plan.Repeat * tokens);
        for (var run = 0; run < plan.Repeat; run++)
        {
            _earlierTokens = run * tokens;
            rates[run] = tokens / probe.Prefill(tokens, cancellation).TotalMs * 1000;
        }

        _caseIndex++;
        var spread = MeasuredSpread.Of(rates);
        return row with
        {
            PrefillTokens = tokens,
            PrefillTokensPerSecond = Rounded(spread.Median),
            PrefillTokensPerSecondMin = Rounded(spread.Least),
            PrefillTokensPerSecondMax = Rounded(spread.Most),
            PeakBytes = ResidentMemory.PeakBytes(),
        };
    }

    private BenchRow Decode(Engine engine, EngineProbe probe, BenchRow row)
    {
        var what = $"decode of {row.Batch} {(row.Batch == 1 ? "sequence" : "sequences")} at depth {SizeText.Count(row.Depth)}";
        var bandwidthBefore = Bandwidth(what, engine.ThreadCount, FreshMs);
        ResidentMemory.TryResetPeak();
        var steps = DecodeSteps(probe, row.Batch);
        var runs = new StepTimings[plan.Repeat];
        var reads = new LayerReads[model.Config.LayerCount];
        var pagesBefore = KvPagesReport.Of(engine);
        Begin(what, plan.Repeat * steps);
        for (var run = 0; run < plan.Repeat; run++)
        {
            _earlierTokens = run * steps;
            runs[run] = probe.Decode(row.Batch, steps, cancellation);
            for (var layer = 0; layer < reads.Length; layer++)
                reads[layer] += probe.Reads[layer];
        }

        var peak = ResidentMemory.PeakBytes();
        var bandwidth = (bandwidthBefore + Bandwidth(what, engine.ThreadCount, 0)) / 2;
        _caseIndex++;
        var bytes = probe.StepBytes(row.Batch, Median(runs, static run => run.KeysReadShare));
        return Figures(row, runs, steps) with
        {
            KvPages = KvPagesReport.Of(engine)?.Since(pagesBefore!),
            PerLayer = Array.ConvertAll(reads, layer => Layer(layer, (double)plan.Repeat * steps * row.Batch * model.Config.KvHeadCount)),
            BytesPerStep = bytes,
            BandwidthBytesPerSecond = Math.Round(bandwidth),
            FloorShare = Rounded(bytes / bandwidth / (Median(runs, static run => run.TotalMs) / steps / 1000)),
            PeakBytes = Math.Max(peak, row.PeakBytes),
        };
    }

    // What was measured a moment ago, after another case, serves before this one.
    private double Bandwidth(string what, int threads, double freshMs)
    {
        Begin($"{what}, memory bandwidth", 0);
        if (_bandwidth == 0 || TimeProvider.System.GetElapsedTime(_bandwidthTaken).TotalMilliseconds > freshMs)
            (_bandwidth, _bandwidthTaken) = (MachineProbe.Bandwidth(threads, probeBytes).BytesPerSecond, TimeProvider.System.GetTimestamp());
        return _bandwidth;
    }

    // Also the case's own warm-up: pages are taken, and the other sequences of the batch get their rows.
    private int DecodeSteps(EngineProbe probe, int batch)
    {
        const int Trial = 2;
        var trial = probe.Decode(batch, Math.Min(plan.DecodeSteps ?? Trial, Trial), cancellation);
        return plan.DecodeSteps ?? (int)Math.Clamp(Math.Ceiling(DecodeRunMs * Trial / trial.TotalMs), LeastDecodeSteps, BenchPlan.MostDecodeSteps);
    }

    private BenchRow Figures(BenchRow row, StepTimings[] runs, int steps)
    {
        var spread = MeasuredSpread.Of(runs.Select(static run => run.Rows / run.TotalMs * 1000));
        double layerSteps = (double)model.Config.LayerCount * steps;
        return row with
        {
            DecodeTokens = steps,
            DecodeTokensPerSecond = Rounded(spread.Median),
            DecodeTokensPerSecondMin = Rounded(spread.Least),
            DecodeTokensPerSecondMax = Rounded(spread.Most),
            LinearMsPerStep = Rounded(Median(runs, static run => run.LinearMs) / steps),
            AttentionMsPerLayer = Rounded(Median(runs, static run => run.AttentionMs) / layerSteps),
            SelectionMsPerLayer = Rounded(Median(runs, static run => run.SelectionMs) / layerSteps),
            AuditMsPerLayer = plan.AuditShare > 0 ? Rounded(Median(runs, static run => run.AuditMs) / layerSteps) : null,
            KeysReadShare = Rounded(Median(runs, static run => run.KeysReadShare)),
        };
    }

    private static BenchLayer Layer(LayerReads reads, double heads) =>
        new(
            Rounded(reads.KeysReadShare), reads.BlocksRead > 0 ? Rounded(reads.BlocksRead / heads) : null, reads.Cut > 0 ? Rounded(reads.Cut / heads) : null);

    private static double Median(StepTimings[] runs, Func<StepTimings, double> figure) => MeasuredSpread.Of(runs.Select(figure)).Median;

    private static double Rounded(double value) => Math.Round(value, 4);

    private void Begin(string stage, int tokens)
    {
        cancellation.ThrowIfCancellationRequested();
        (_stage, _stageTokens, _earlierTokens, _stageStart) = (stage, tokens, 0, TimeProvider.System.GetTimestamp());
    }
}
