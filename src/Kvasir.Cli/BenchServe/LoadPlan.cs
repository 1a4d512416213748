namespace Kvasir.Cli.BenchServe;

/// <summary>Which requests are sent to a server, and when.</summary>
internal sealed record LoadPlan
{
    /// <summary>Conversations; without further turns, requests.</summary>
    public required int Prompts { get; init; }

    /// <summary>Requests of a conversation: each resends what was said before it.</summary>
    public required int Turns { get; init; }

    /// <summary>Tokens of each turn's own text, about.</summary>
    public required int InputTokens { get; init; }

    /// <summary>Tokens of text with which all prompts begin, about.</summary>
    public required int PrefixTokens { get; init; }

    /// <summary>Tokens of each answer, exactly: none ends earlier.</summary>
    public required int OutputTokens { get; init; }

    /// <summary>Conversations that begin in a second; infinite for all at once.</summary>
    public required double Rate { get; init; }

    /// <summary>The shape of the gamma distribution of gaps between beginnings: 1 is a Poisson process, less comes in bursts.</summary>
    public required double Burstiness { get; init; }

    /// <summary>Requests under way at a time; null for any number.</summary>
    public int? Concurrency { get; init; }

    /// <summary>Whether prompts are messages for the chat route, and not text to be continued.</summary>
    public required bool IsChat { get; init; }

    /// <summary>Whether a short question is asked each second beside the load.</summary>
    public required bool Probes { get; init; }

    /// <summary>What a good request stays within; empty for none.</summary>
    public required LoadGoal[] Goals { get; init; }

    public required double[] Percentiles { get; init; }

    public required ulong Seed { get; init; }
}

/// <summary>A time that a good request stays within.</summary>
/// <param name="Figure">Which.</param>
/// <param name="Ms">The most milliseconds.</param>
internal sealed record LoadGoal(LoadFigure Figure, double Ms);

/// <summary>Times of a request, by the definitions of vLLM's serving benchmark.</summary>
internal enum LoadFigure
{
    /// <summary>From sending it to the first piece of the answer.</summary>
    Ttft,

    /// <summary>Between pieces, over all tokens behind the first: latency less <see cref="Ttft"/>, by tokens less one.</summary>
    Tpot,

    /// <summary>Between one piece and the next, over all requests.</summary>
    Itl,

    /// <summary>From sending it to the last piece.</summary>
    E2el,
}
