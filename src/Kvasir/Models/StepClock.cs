using System.Diagnostics;

namespace Kvasir.Models;

/// <summary>Adds up where a step's time goes: each mark gives the time since the last one to a part. Costs a read of the clock, and no memory.</summary>
internal struct StepClock
{
    private long _start;
    private long _mark;
    private long _linear;
    private long _attention;

    public void Start() => (_start, _mark, _linear, _attention) = (Stopwatch.GetTimestamp(), Stopwatch.GetTimestamp(), 0, 0);

    /// <summary>Gives the time since the last mark to nobody.</summary>
    public void Pass() => _mark = Stopwatch.GetTimestamp();

    public void MarkLinear() => Mark(ref _linear);

    public void MarkAttention() => Mark(ref _attention);

    /// <summary>The parts so far, and the time since the start.</summary>
    public readonly StepTimings Read(int rows) => new(rows, Ms(_linear), Ms(_attention), 0, Ms(Stopwatch.GetTimestamp() - _start));

    private static double Ms(long ticks) => ticks * (1000.0 / Stopwatch.Frequency);

    private void Mark(ref long part)
    {
        var now = Stopwatch.GetTimestamp();
        part += now - _mark;
        _mark = now;
    }
}
