using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;

namespace Kvasir.Cli.BenchServe;

/// <summary>What <c>bench serve</c> sends.</summary>
internal static class BenchServeFlags
{
    private const int MostPrompts = 1_000_000;
    private const int MostTurns = 1000;
    private const int MostConcurrency = 4096;

    public static readonly ValueFlag<string> Model = new(
        "--model", "The model's name for the server", FlagValues.Text)
    { Otherwise = "the first that it lists" };

    public static readonly SwitchFlag Chat = new("--chat", "Send prompts as messages, by the model's template, and not as texts to be continued");

    public static readonly ValueFlag<int> Prompts = new("--num-prompts", "Requests, or conversations", FlagValues.Whole(1, MostPrompts)) { Default = "16" };

    public static readonly ValueFlag<int> Turns = new(
        "--turns", "Requests of a conversation: each resends what was said before it", FlagValues.Whole(1, MostTurns))
    { Default = "1" };

    public static readonly ValueFlag<int> InputTokens = new(
        "--input-len", "Tokens of each prompt or turn, about: words are random", FlagValues.Tokens)
    { Default = "512" };

    public static readonly ValueFlag<int> OutputTokens = new("--output-len", "Tokens of each answer", FlagValues.Tokens) { Default = "128" };

    public static readonly ValueFlag<int> PrefixTokens = new(
        "--prefix-len", "Tokens with which all prompts begin, about", FlagValues.Tokens)
    { Otherwise = "none" };

    public static readonly ValueFlag<double> Rate = new(
        "--request-rate", "Requests, or conversations, that begin in a second; inf begins all at once",
        new("R", "a number above 0, or inf", TryRate))
    { Default = "inf" };

    public static readonly ValueFlag<double> Burstiness = new(
        "--burstiness", "Shape of the gamma distribution of gaps between them: 1 is a Poisson process, less comes in bursts", FlagValues.Number(0.01, 1000))
    { Default = "1" };

    public static readonly ValueFlag<int> Concurrency = new(
        "--max-concurrency", "Requests under way at a time; others wait to be sent", FlagValues.Whole(1, MostConcurrency))
    { Otherwise = "any number" };

    public static readonly SwitchFlag Probe = new("--probe", "Ask a short question each second beside the load, for one token: how long a newcomer waits");

    public static readonly ValueFlag<LoadGoal[]> Goals = new(
        "--goodput", "Count requests that stay within this many milliseconds: ttft, tpot or e2el, as ttft:2000",
        new("GOAL", "of the form ttft:MS, tpot:MS or e2el:MS", TryGoal) { Join = Joined });

    public static readonly ValueFlag<double[]> Percentiles = new(
        "--percentiles", "Which percentiles of each time are told, as 50,90,99",
        FlagValues.ListOf(FlagValues.Number(0, 100), "a list of numbers from 0 to 100, as 50,90,99"))
    { Default = "50,90,99" };

    public static readonly ValueFlag<ulong> Seed = SamplingFlags.Seed with
    {
        Help = "The same seed sends the same prompts at the same times",
        Otherwise = "a fresh one: no earlier run's prompts are cached",
    };

    public static FlagGroup[] Groups =>
        [
            new("Requests", Model, Chat, Prompts, Turns, InputTokens, OutputTokens, PrefixTokens, Seed),
            new("Pace", Rate, Burstiness, Concurrency, Probe), new("Figures", Goals, Percentiles),
        ];

    public static LoadPlan Read(TypedCommand typed) => new()
    {
        Prompts = typed.Get(Prompts),
        Turns = typed.Get(Turns),
        InputTokens = typed.Get(InputTokens),
        OutputTokens = typed.Get(OutputTokens),
        PrefixTokens = typed.FindValue(PrefixTokens) ?? 0,
        Rate = typed.Get(Rate),
        Burstiness = typed.Get(Burstiness),
        Concurrency = typed.FindValue(Concurrency),
        IsChat = typed.Is(Chat),
        Probes = typed.Is(Probe),
        Goals = typed.Find(Goals) ?? [],
        Percentiles = typed.Get(Percentiles),
        Seed = typed.FindValue(Seed) ?? (ulong)Random.Shared.NextInt64(1L << 32),
    };

    private static bool TryRate(string text, out double rate)
    {
        var isNumber = double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out rate);
        if (text.Equals("inf", StringComparison.OrdinalIgnoreCase))
            rate = double.PositiveInfinity;
        else if (!isNumber || !double.IsFinite(rate))
            return false;
        return rate > 0 || FlagValues.IsBeyond(isNumber, text, "above 0");
    }

    private static bool TryGoal(string text, [MaybeNullWhen(false)] out LoadGoal[] goals)
    {
        var parts = text.Split(':');
        goals = null;
        if (parts.Length != 2 || !Enum.TryParse<LoadFigure>(parts[0], ignoreCase: true, out var figure)
            || figure == LoadFigure.Itl || char.IsAsciiDigit(parts[0][0]))
            return false;
        if (!double.TryParse(parts[1], NumberStyles.Float, CultureInfo.InvariantCulture, out var ms) || !double.IsFinite(ms))
            return false;
        goals = [new LoadGoal(figure, ms)];
        return ms > 0 || FlagValues.IsBeyond(isOfKind: true, text, "above 0 ms");
    }

    private static LoadGoal[] Joined(LoadGoal[] first, LoadGoal[] more) => Array.Exists(first, goal => goal.Figure == more[0].Figure)
        ? throw new KvasirException(KvasirError.BadOption, $"{more[0].Figure.ToString().ToLowerInvariant()} was given twice")
        : [.. first, .. more];
}
