using System.Diagnostics;

namespace Kvasir.Evaluation.Running;

/// <summary>How long a run will go on. What takes time is a sample of so many tokens under all of its policies, so that only whole batches tell.</summary>
/// <param name="work">Tokens of the samples there are to run.</param>
internal sealed class RunPace(long work)
{
    private readonly long _start = Stopwatch.GetTimestamp();
    private TimeSpan? _whole;
    private long _done;

    /// <summary>Null as long as nothing is done.</summary>
    public TimeSpan? Left => _whole is not { } whole ? null : whole > Elapsed ? whole - Elapsed : TimeSpan.Zero;

    private TimeSpan Elapsed => Stopwatch.GetElapsedTime(_start);

    /// <summary>Counts a batch that is done.</summary>
    public void Add(long tokens)
    {
        _done += tokens;
        _whole = Elapsed * ((double)work / _done);
    }
}
