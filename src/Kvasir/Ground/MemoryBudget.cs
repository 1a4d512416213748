using Kvasir.Ground;

namespace Kvasir;

/// <summary>
/// A limit on memory, and who has how much of it. Whoever wants to grow asks first, and no is an answer. Engines that are given one by
/// <see cref="EngineOptions.Memory"/> share it, and what each of them may take of it alone is a budget beneath it. For any number of threads.
/// </summary>
public sealed class MemoryBudget
{
    private readonly long[] _taken = new long[Enum.GetValues<MemoryUse>().Length];
    private MemoryBudget? _parent;
    private long _limitBytes;
    private long _takenBytes;
    private int _isWanted;

    /// <param name="limitBytes">What may be taken in all; not negative.</param>
    public MemoryBudget(long limitBytes)
        : this(limitBytes, null)
    {
    }

    /// <param name="parent">What is taken here is taken from there too; null for nothing above.</param>
    internal MemoryBudget(long limitBytes, MemoryBudget? parent)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(limitBytes);
        (_limitBytes, _parent) = (limitBytes, parent);
    }

    /// <summary>Says that memory came back after somebody had been refused some. Told on the thread that gives it.</summary>
    public event Action? Returned;

    /// <summary>Says that somebody was refused memory, once until some comes back: for those who have some that nobody computes with.</summary>
    internal event Action? Wanted;

    public long LimitBytes => Volatile.Read(ref _limitBytes);

    public long TakenBytes => Volatile.Read(ref _takenBytes);

    /// <summary>Bytes that can still be taken; none when more is held than was asked for.</summary>
    public long LeftBytes
    {
        get
        {
            var own = Math.Max(0, LimitBytes - TakenBytes);
            return _parent is { } parent ? Math.Min(own, parent.LeftBytes) : own;
        }
    }

    /// <summary>What is taken, by use.</summary>
    public MemoryFigures Figures => new(Taken(MemoryUse.Pages), Taken(MemoryUse.Indexes), Taken(MemoryUse.OpenPages), Taken(MemoryUse.Scratch));

    /// <summary>Whether somebody was refused and nothing has come back since.</summary>
    internal bool IsWanted => Volatile.Read(ref _isWanted) != 0 || _parent?.IsWanted == true;

    /// <summary>Whether it is a part of a budget that engines share.</summary>
    internal bool IsShared => _parent is not null;

    /// <summary>Whether others have taken something of the memory that this budget is a part of.</summary>
    internal bool IsHeldElsewhere => _parent is { } parent && parent.TakenBytes > TakenBytes;

    /// <summary>Asked before memory is taken; true refuses it. For tests of refusals, null otherwise.</summary>
    internal Func<MemoryUse, bool>? Refuses { get; set; }

    /// <summary>Takes memory. False, with nothing taken, when there is not so much left.</summary>
    public bool TryTake(MemoryUse use, long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        if (Refuses?.Invoke(use) == true || !TryAdd(bytes))
            return false;
        if (_parent?.TryTake(use, bytes) == false)
        {
            Interlocked.Add(ref _takenBytes, -bytes);
            return false;
        }

        Interlocked.Add(ref _taken[(int)use], bytes);
        return true;
    }

    /// <summary>Gives back what was taken.</summary>
    public void Give(MemoryUse use, long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        Invariant.Holds(Interlocked.Add(ref _taken[(int)use], -bytes) >= 0);
        Interlocked.Add(ref _takenBytes, -bytes);
        _parent?.Give(use, bytes);
        if (bytes > 0 && Interlocked.Exchange(ref _isWanted, 0) != 0)
            Returned?.Invoke();
    }

    /// <summary>Whether so much could be taken now. Whoever hears no is among those whom <see cref="Returned"/> is for.</summary>
    internal bool HasRoom(long bytes)
    {
        if (bytes > LeftBytes)
            MarkWanted();
        // After the mark: what comes back from now on is told.
        return bytes <= LeftBytes;
    }

    /// <summary>Says that memory is wanted which cannot be had, whatever the limit allows.</summary>
    internal void MarkWanted()
    {
        var isNew = Interlocked.Exchange(ref _isWanted, 1) == 0;
        _parent?.MarkWanted();
        if (isNew)
            Wanted?.Invoke();
    }

    /// <summary>Counts what is held already and was not asked for: what comes next may be refused for it.</summary>
    internal void Add(MemoryUse use, long bytes)
    {
        Interlocked.Add(ref _taken[(int)use], bytes);
        Interlocked.Add(ref _takenBytes, bytes);
        _parent?.Add(use, bytes);
    }

    /// <summary>Takes memory from above that this budget's own limit is not for. False, with nothing taken, when there is not so much left above.</summary>
    internal bool TryTakeBeside(MemoryUse use, long bytes)
    {
        if (Refuses?.Invoke(use) == true || _parent?.TryTake(use, bytes) == false)
            return false;
        Interlocked.Add(ref _limitBytes, bytes);
        Interlocked.Add(ref _taken[(int)use], bytes);
        Interlocked.Add(ref _takenBytes, bytes);
        return true;
    }

    /// <summary>As <see cref="Add"/>, of memory that this budget's own limit is not for.</summary>
    internal void AddBeside(MemoryUse use, long bytes)
    {
        Interlocked.Add(ref _limitBytes, bytes);
        Add(use, bytes);
    }

    /// <summary>Gives everything back to the budget above; what is given here later is nothing to that.</summary>
    internal void Leave()
    {
        if (Interlocked.Exchange(ref _parent, null) is not { } parent)
            return;
        foreach (var use in Enum.GetValues<MemoryUse>())
            parent.Give(use, Taken(use));
    }

    private long Taken(MemoryUse use) => Volatile.Read(ref _taken[(int)use]);

    private bool TryAdd(long bytes)
    {
        while (true)
        {
            var taken = Volatile.Read(ref _takenBytes);
            if (bytes > LimitBytes - taken && !HasRoom(bytes))
                return false;
            if (Interlocked.CompareExchange(ref _takenBytes, taken + bytes, taken) == taken)
                return true;
        }
    }
}

/// <summary>Bytes that are taken from a <see cref="MemoryBudget"/>, by use.</summary>
public readonly record struct MemoryFigures(long PageBytes, long IndexBytes, long OpenPageBytes, long ScratchBytes)
{
    public long TotalBytes => PageBytes + IndexBytes + OpenPageBytes + ScratchBytes;
}

/// <summary>What memory of a <see cref="MemoryBudget"/> is for.</summary>
public enum MemoryUse
{
    /// <summary>Slabs of cached keys and values, whether their pages are in use or free.</summary>
    Pages,

    /// <summary>Indexes of attention policies, as they are or as they were promised.</summary>
    Indexes,

    /// <summary>Pages that are being written, in floats, of formats that need them.</summary>
    OpenPages,

    /// <summary>Activations, and what workers attend in.</summary>
    Scratch,
}
