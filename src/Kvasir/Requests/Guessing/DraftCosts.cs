namespace Kvasir.Requests.Guessing;

/// <summary>What guesses and their verification take, as an engine's steps without prompts have shown; NaN until they have.</summary>
internal sealed class DraftCosts
{
    // A new figure counts for a quarter: a machine that is disturbed for a step is not taken for a slow one.
    private const double NewShare = 0.25;
    private readonly bool _isKnown;

    public DraftCosts()
    {
    }

    /// <summary>Costs that no step changes.</summary>
    public DraftCosts(double stepMs, double rowMs, double draftMs) => (_isKnown, StepMs, RowMs, DraftMs) = (true, stepMs, rowMs, draftMs);

    /// <summary>Of a step without guesses.</summary>
    public double StepMs { get; private set; } = double.NaN;

    /// <summary>Of one row more in it.</summary>
    public double RowMs { get; private set; }

    /// <summary>Of a guess.</summary>
    public double DraftMs { get; private set; } = double.NaN;

    /// <summary>A step has verified guesses of its sequences, so many in the mean.</summary>
    public void ObserveStep(double ms, double guesses)
    {
        if (guesses == 0)
            StepMs = Mixed(StepMs, ms);
        else if (!double.IsNaN(StepMs))
            RowMs = Mixed(RowMs, Math.Max(0, (ms - StepMs) / guesses));
    }

    /// <summary>A draft has computed a row of each of its sequences.</summary>
    public void ObserveDraft(double ms) => DraftMs = Mixed(DraftMs, ms);

    private double Mixed(double known, double ms) => _isKnown ? known : double.IsNaN(known) ? ms : known + (NewShare * (ms - known));
}
