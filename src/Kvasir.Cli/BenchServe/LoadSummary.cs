using System.Text.RegularExpressions;

namespace Kvasir.Cli.BenchServe;

/// <summary>The figures of a run, by the definitions of vLLM's serving benchmark and some beside them.</summary>
internal sealed partial class LoadSummary
{
    public LoadSummary(LoadPlan plan, LoadSeen seen)
    {
        (Plan, Seen) = (plan, seen);
        Completed = Array.FindAll(seen.Requests, static trace => trace.IsCompleted);
        Failed = seen.Requests.Length - Completed.Length;
        Spreads = new Dictionary<LoadFigure, LoadSpread>
        {
            [LoadFigure.Ttft] = Ms(static trace => trace.FirstS),
            // An answer of one token has no time between tokens.
            [LoadFigure.Tpot] = new(Completed.Where(static trace => trace.OutputTokens > 1).Select(static trace => trace.PerTokenS * 1000)),
            [LoadFigure.Itl] = new(Completed.SelectMany(static trace => trace.PieceS.Zip(trace.PieceS.Skip(1), static (from, to) => (to - from) * 1000))),
            [LoadFigure.E2el] = Ms(static trace => trace.LatencyS),
        };
    }

    public LoadPlan Plan { get; }

    public LoadSeen Seen { get; }

    public LoadTrace[] Completed { get; }

    public int Failed { get; }

    /// <summary>In milliseconds.</summary>
    public IReadOnlyDictionary<LoadFigure, LoadSpread> Spreads { get; }

    public long InputTokens => Completed.Sum(static trace => (long)trace.PromptTokens);

    public long CachedTokens => Completed.Sum(static trace => (long)trace.CachedTokens);

    public long OutputTokens => Completed.Sum(static trace => (long)trace.OutputTokens);

    public double RequestsPerSecond => PerSecond(Completed.Length);

    public double OutputPerSecond => PerSecond(OutputTokens);

    public double TokensPerSecond => PerSecond(InputTokens + OutputTokens);

    /// <summary>Requests a second that stayed within every goal; those that failed did not. Null without goals.</summary>
    public double? Goodput => Plan.Goals.Length == 0 ? null : PerSecond(Completed.Count(trace => Plan.Goals.All(trace.IsWithin)));

    /// <summary>The most pieces that came within a second of the run's clock.</summary>
    public int MostPiecesInSecond =>
        Completed.SelectMany(static trace => trace.PieceS).GroupBy(static time => (int)time).Select(static second => second.Count()).DefaultIfEmpty().Max();

    /// <summary>To the first piece, with the wait for one's turn to send; what a limit of requests under way hides from the time to the first token.</summary>
    public LoadSpread FirstFromReady => Ms(static trace => trace.PieceS[0] - trace.ReadyS);

    /// <summary>Time to the first token of first turns.</summary>
    public LoadSpread ColdFirst => new(Completed.Where(static trace => trace.Turn == 0).Select(static trace => trace.FirstS * 1000));

    /// <summary>Time to the first token of later turns, whose prompts begin as what was said before.</summary>
    public LoadSpread WarmFirst => new(Completed.Where(static trace => trace.Turn > 0).Select(static trace => trace.FirstS * 1000));

    /// <summary>Time to the first token of probes.</summary>
    public LoadSpread ProbeFirst => new(Seen.Probes.Where(static trace => trace.IsCompleted).Select(static trace => trace.FirstS * 1000));

    /// <summary>Where the server says how long requests waited there.</summary>
    public LoadSpread Queue => new(Completed.Where(static trace => trace.QueueMs is not null).Select(static trace => trace.QueueMs!.Value));

    /// <summary>Where the server says how long it computed prompts.</summary>
    public LoadSpread Prefill => new(Completed.Where(static trace => trace.PrefillMs is not null).Select(static trace => trace.PrefillMs!.Value));

    /// <summary>The mean over requests, where the server says it.</summary>
    public double? KeysReadShare => Completed.Select(static trace => trace.KeysReadShare).Average();

    /// <summary>
    /// Why requests failed, and how many for each reason, the most frequent first. Reasons that differ in their numbers alone are one, as the first said it.
    /// </summary>
    public IReadOnlyList<(string Fault, int Count)> Faults =>
        [.. Seen.Requests.Concat(Seen.Probes).Select(static trace => trace.Fault).OfType<string>().GroupBy(static fault => Digits().Replace(fault, "0"))
            .Select(static group => (group.First(), group.Count())).OrderByDescending(static fault => fault.Item2)];

    private LoadSpread Ms(Func<LoadTrace, double> seconds) => new(Completed.Select(trace => seconds(trace) * 1000));

    [GeneratedRegex("[0-9]+")]
    private static partial Regex Digits();

    private double PerSecond(double count) => Seen.Seconds > 0 ? count / Seen.Seconds : 0;
}
