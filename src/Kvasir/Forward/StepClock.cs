using System.Diagnostics;
using Kvasir.Attention.Heads;

namespace Kvasir.Forward;

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
    /// <param name="counts">Of all workers, whose shares of the time are taken to be equal.</param>
    public readonly StepTimings Read(int rows, in SelectionCounts counts, int workerCount)
    {
        var (selection, audit) = (Ms(counts.Ticks) / workerCount, Ms(counts.AuditTicks) / workerCount);
        return new StepTimings(
            rows, Ms(_linear), Ms(_attention) - selection - audit, selection,
            Ms(Stopwatch.GetTimestamp() - _start), counts.Reads.RowsRead, counts.Reads.RowsInSight)
        { AuditMs = audit };
    }

    private static double Ms(long ticks) => ticks * (1000.0 / Stopwatch.Frequency);

    private void Mark(ref long part)
    {
        var now = Stopwatch.GetTimestamp();
        part += now - _mark;
        _mark = now;
    }
}
