namespace Kvasir.Cli.BenchServe;

/// <summary>What was seen of a request. Times are in seconds from the start of the run.</summary>
/// <param name="Turn">From 0.</param>
/// <param name="ReadyS">When it could have been sent.</param>
/// <param name="StartS">When it was sent: later where as many as may were under way.</param>
internal sealed record LoadTrace(int Turn, double ReadyS, double StartS)
{
    /// <summary>When each piece came that has a choice.</summary>
    public List<double> PieceS { get; } = [];

    public int PromptTokens { get; set; }

    public int CachedTokens { get; set; }

    public int OutputTokens { get; set; }

    /// <summary>How long the server says that the request waited there, in milliseconds; null where it does not say.</summary>
    public double? QueueMs { get; set; }

    /// <summary>How long the server says that it computed the prompt, in milliseconds; null where it does not say.</summary>
    public double? PrefillMs { get; set; }

    /// <summary>The share of keys in sight that attention read; null where the server does not say.</summary>
    public double? KeysReadShare { get; set; }

    /// <summary>Why it failed, or null.</summary>
    public string? Fault { get; set; }

    public bool IsCompleted => Fault is null && PieceS.Count > 0;

    /// <summary>Seconds to the first piece.</summary>
    public double FirstS => PieceS[0] - StartS;

    /// <summary>Seconds to the last piece.</summary>
    public double LatencyS => PieceS[^1] - StartS;

    /// <summary>Seconds for each token behind the first; 0 for an answer of one token.</summary>
    public double PerTokenS => OutputTokens > 1 ? (LatencyS - FirstS) / (OutputTokens - 1) : 0;

    public bool IsWithin(LoadGoal goal)
    {
        var seconds = goal.Figure switch
        {
            LoadFigure.Ttft => FirstS,
            LoadFigure.Tpot => PerTokenS,
            _ => LatencyS,
        };
        return seconds * 1000 <= goal.Ms;
    }
}
