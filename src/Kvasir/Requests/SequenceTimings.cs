namespace Kvasir;

/// <summary>When a sequence reached each stage, in milliseconds from its submission; NaN for a stage not reached.</summary>
public sealed class SequenceTimings
{
    private TimeProvider _time = TimeProvider.System;
    private long _submitted = TimeProvider.System.GetTimestamp();
    private bool _isIndexing;
    private double _loadStartMs = double.NaN;
    private List<double>? _preemptions;
    private readonly TaskCompletionSource _started = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Completes when its first prompt row is about to be computed, or when it ends without.</summary>
    public Task Started => _started.Task;

    /// <summary>The first prompt row was computed.</summary>
    public double PrefillStartMs { get; private set; } = double.NaN;

    /// <summary>The first token was generated, or taken from those given: the whole prompt is in the cache.</summary>
    public double FirstTokenMs { get; private set; } = double.NaN;

    public double EndMs { get; private set; } = double.NaN;

    /// <summary>Time behind the first token in which the index of its prompt was built, while others computed too; 0 where none was to be built.</summary>
    public double IndexMs { get; private set; }

    /// <summary>Time in which rows of its prompt came from beyond memory, while it waited for them; 0 where none did.</summary>
    public double PrefixLoadMs { get; private set; }

    /// <summary>When it gave its memory back to others, to be computed again. To be read after the end.</summary>
    public IReadOnlyList<double> PreemptionsMs => _preemptions ?? (IReadOnlyList<double>)[];

    /// <summary>Rows that were computed again for that.</summary>
    public int RecomputedRows { get; private set; }

    /// <summary>Since its submission.</summary>
    public double ElapsedMs => Now();

    /// <summary>Time in prefill.</summary>
    public double PrefillMs => FirstTokenMs - PrefillStartMs;

    /// <summary>Time from the first token to the end, but for <see cref="IndexMs"/>.</summary>
    public double DecodeMs => EndMs - FirstTokenMs - IndexMs;

    /// <summary>Tokens that were guessed: <see cref="GenerationOptions.SpeculativeTokens"/>.</summary>
    public int GuessedTokens { get; private set; }

    /// <summary>Those of them that were right, and took no step of their own.</summary>
    public int AcceptedTokens { get; private set; }

    /// <summary>Time in which a draft guessed them (<see cref="ModelOptions.DraftWeights"/>).</summary>
    public double DraftMs { get; private set; }

    /// <summary>It is submitted.</summary>
    internal void Begin(TimeProvider time) => (_time, _submitted) = (time, time.GetTimestamp());

    internal void CountAgain(int rows) => RecomputedRows += rows;

    internal void CountGuess(int tokens) => GuessedTokens += tokens;

    internal void CountAccepted() => AcceptedTokens++;

    internal void CountDraft(double ms) => DraftMs += ms;

    internal void MarkPrefillStart()
    {
        if (!double.IsNaN(PrefillStartMs))
            return;
        PrefillStartMs = Now();
        _started.TrySetResult();
    }

    internal void MarkLoad() => _loadStartMs = Now();

    internal void MarkLoadEnd()
    {
        if (double.IsNaN(_loadStartMs))
            return;
        PrefixLoadMs += Now() - _loadStartMs;
        _loadStartMs = double.NaN;
    }

    internal void MarkFirstToken() => FirstTokenMs = double.IsNaN(FirstTokenMs) ? Now() : FirstTokenMs;

    internal void MarkIndexing() => _isIndexing |= !double.IsNaN(FirstTokenMs);

    internal void MarkDecoding()
    {
        if (_isIndexing && IndexMs == 0)
            IndexMs = Now() - FirstTokenMs;
    }

    internal void MarkPreemption() => (_preemptions ??= []).Add(Now());

    internal void MarkEnd()
    {
        EndMs = Now();
        _started.TrySetResult();
    }

    private double Now() => _time.GetElapsedTime(_submitted).TotalMilliseconds;
}
