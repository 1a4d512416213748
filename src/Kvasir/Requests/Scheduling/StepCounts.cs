using Kvasir.Attention.Batches;

namespace Kvasir.Requests.Scheduling;

/// <summary>What an engine's steps have come to. Its thread counts, and any thread reads at any time; what counts up never goes down.</summary>
internal sealed class StepCounts
{
    private long _steps;
    private long _ticks;
    private long _decodeRows;
    private long _promptRows;
    private long _recomputed;
    private long _preemptions;
    private long _deleted;
    private long _lateRunning;
    private double _lastMs;
    private int _lastDecodeRows;
    private int _lastPromptRows;
    private int _budget;
    private long _depths;
    private readonly long[] _byTime = new long[EngineFigures.StepBoundsMs.Length + 1];
    private readonly long[] _byRows = new long[EngineFigures.StepBoundsRows.Length + 1];

    public long Steps => Volatile.Read(ref _steps);

    public double StepMs => TimeSpan.FromTicks(Volatile.Read(ref _ticks)).TotalMilliseconds;

    public long DecodeRows => Volatile.Read(ref _decodeRows);

    public long PromptRows => Volatile.Read(ref _promptRows);

    public long RecomputedRows => Volatile.Read(ref _recomputed);

    public long DeletedRows => Volatile.Read(ref _deleted);

    public long Preemptions => Volatile.Read(ref _preemptions);

    public long LateRunning => Volatile.Read(ref _lateRunning);

    public double LastMs => Volatile.Read(ref _lastMs);

    public int LastDecodeRows => Volatile.Read(ref _lastDecodeRows);

    public int LastPromptRows => Volatile.Read(ref _lastPromptRows);

    /// <summary>Rows before those of prompts in the last step, on average.</summary>
    public int LastPromptDepth => (int)(_depths / Math.Max(1, _lastPromptRows));

    /// <summary>Steps by <see cref="EngineFigures.StepBoundsMs"/>.</summary>
    public long[] ByTime => Copy(_byTime);

    /// <summary>Steps by <see cref="EngineFigures.StepBoundsRows"/>.</summary>
    public long[] ByRows => Copy(_byRows);

    public int PromptRowsBudget
    {
        get => Volatile.Read(ref _budget);
        set => Volatile.Write(ref _budget, value);
    }

    public void BeginStep()
    {
        Volatile.Write(ref _lastDecodeRows, 0);
        Volatile.Write(ref _lastPromptRows, 0);
        _depths = 0;
    }

    /// <summary>Counts the rows of a segment that was computed.</summary>
    /// <returns>Those of them that the sequence had not had computed before.</returns>
    public int Add(in Segment segment, Sequence sequence)
    {
        var again = Math.Clamp(sequence.Ticket.ComputedRows - segment.FirstPosition, 0, segment.RowCount);
        if (segment.IsPrompt)
        {
            _depths += (long)segment.RowCount * (segment.FirstPosition + (segment.RowCount / 2));
            Volatile.Write(ref _lastPromptRows, _lastPromptRows + segment.RowCount);
            Volatile.Write(ref _promptRows, _promptRows + segment.RowCount);
            Volatile.Write(ref _recomputed, _recomputed + again);
            sequence.Timings.CountAgain(again);
            sequence.Ticket.ComputedRows = Math.Max(sequence.Ticket.ComputedRows, segment.EndPosition);
            return segment.RowCount - again;
        }

        Volatile.Write(ref _lastDecodeRows, _lastDecodeRows + segment.RowCount);
        Volatile.Write(ref _decodeRows, _decodeRows + segment.RowCount);
        // Candidates behind it may be taken back.
        sequence.Ticket.ComputedRows = segment.FirstPosition + 1;
        return segment.RowCount;
    }

    public void EndStep(double ms)
    {
        Volatile.Write(ref _lastMs, ms);
        var place = 0;
        while (place < EngineFigures.StepBoundsMs.Length && ms > EngineFigures.StepBoundsMs[place])
            place++;
        Volatile.Write(ref _byTime[place], _byTime[place] + 1);
        var (rows, size) = (_lastDecodeRows + _lastPromptRows, 0);
        while (size < EngineFigures.StepBoundsRows.Length && rows > EngineFigures.StepBoundsRows[size])
            size++;
        Volatile.Write(ref _byRows[size], _byRows[size] + 1);
        Volatile.Write(ref _ticks, _ticks + (long)(ms * TimeSpan.TicksPerMillisecond));
        Volatile.Write(ref _steps, _steps + 1);
    }

    public void CountPreemption() => Volatile.Write(ref _preemptions, _preemptions + 1);

    public void CountDeleted(int rows) => Volatile.Write(ref _deleted, _deleted + rows);

    public void CountLate() => Volatile.Write(ref _lateRunning, _lateRunning + 1);

    private static long[] Copy(long[] counts)
    {
        var copy = new long[counts.Length];
        for (var i = 0; i < copy.Length; i++)
            copy[i] = Volatile.Read(ref counts[i]);
        return copy;
    }
}
