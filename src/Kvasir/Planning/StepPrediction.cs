namespace Kvasir.Planning;

/// <summary>Where the time of a step goes, in seconds.</summary>
/// <param name="LinearSeconds">Products with matrices.</param>
/// <param name="AttentionSeconds">Ranking and attending.</param>
/// <param name="OtherSeconds">Norms, rotation, starting and ending jobs.</param>
/// <param name="PagesUsed">Of all heads.</param>
internal readonly record struct StepPrediction(double LinearSeconds, double AttentionSeconds, double OtherSeconds, double PagesUsed)
{
    /// <summary>Of reading, what nothing hides, and what it takes of processors.</summary>
    public double ReadSeconds { get; init; }

    public double PagesRead { get; init; }

    public double BytesRead { get; init; }

    /// <summary>Of the pages used those that memory has; 1 where it has all.</summary>
    public double HitShare { get; init; } = 1;

    /// <summary>Whether it pays to read what the next layer will probably want.</summary>
    public bool ReadsAhead { get; init; }

    public double TotalSeconds => LinearSeconds + AttentionSeconds + OtherSeconds + ReadSeconds;
}
