using Kvasir.Models.Configs;

namespace Kvasir.Attention.Batches;

/// <summary>
/// Builds indexes between two steps' tokens: of every sequence whose index is not ready a slice, oldest first, within a budget for all of them together. A
/// slice goes through
/// all heads of a sequence, and is a fan-out over them.
/// </summary>
/// <param name="maxSequences">The most that may be added.</param>
/// <param name="budgetRows">What is indexed at a time: so many rows in every head, of an index that costs 1
/// (<see cref="AttentionPolicy.BuildRowCost"/>).</param>
internal sealed class IndexJob(AttentionShape shape, WorkerPool pool, int maxSequences, int budgetRows) : ParallelJob, IDisposable
{
    // A step that computes nothing else is nobody's but theirs whose indexes are built, and short all the same: somebody may cancel, or come.
    private const int AloneFactor = 16;
    private readonly SequenceAttention[] _sequences = new SequenceAttention[maxSequences];
    private readonly int[] _rows = new int[maxSequences];
    private readonly IndexScratch[] _scratch = NewScratch(pool.WorkerCount);
    private int _count;

    /// <summary>Set by tests, otherwise as it was given.</summary>
    public int BudgetRows { get; set; } = budgetRows;

    /// <summary>Of scratch.</summary>
    public long Bytes
    {
        get
        {
            var bytes = 0L;
            foreach (var scratch in _scratch)
                bytes += scratch.Bytes;
            return bytes;
        }
    }

    /// <summary>Adds a sequence whose index is not ready, for the next <see cref="Run"/>.</summary>
    public void Add(SequenceAttention sequence) => _sequences[_count++] = sequence;

    /// <summary>Builds a slice of what was added. False when that is nothing.</summary>
    /// <param name="isAlone">Whether nobody else waits for it.</param>
    public bool Run(bool isAlone)
    {
        if (_count == 0)
            return false;
        var left = (double)BudgetRows * shape.TotalKvHeads * (isAlone ? AloneFactor : 1);
        for (var i = 0; i < _count; i++)
            left -= _sequences[i].TakeSlice(left, out _rows[i]);
        pool.Run(this, _count * shape.TotalKvHeads);
        for (var i = 0; i < _count; i++)
        {
            _sequences[i].EndSlice(_rows[i]);
            _sequences[i] = null!;
        }

        _count = 0;
        return true;
    }

    public override void Execute(int item, int worker)
    {
        var heads = shape.TotalKvHeads;
        var (sequence, rows) = (_sequences[item / heads], _rows[item / heads]);
        if (rows == 0 || sequence.IsOver)
            return;
        try
        {
            sequence.BuildHead(item % heads, rows, _scratch[worker]);
        }
        catch (Exception fault)
        {
            sequence.MarkFault(fault);
        }
    }

    public void Dispose()
    {
        foreach (var scratch in _scratch)
            scratch.Dispose();
    }

    private static IndexScratch[] NewScratch(int count)
    {
        var scratch = new IndexScratch[count];
        for (var i = 0; i < count; i++)
            scratch[i] = new IndexScratch();
        return scratch;
    }
}
