using System.Runtime.ExceptionServices;
using Kvasir.Ground;
using Kvasir.Kernels.Threads;

namespace Kvasir;

/// <summary>
/// Threads that help with the items of one <see cref="ParallelJob"/> after another. The caller of <see cref="Run"/> is worker 0 and
/// waits for items, not for threads: a worker that the system has not scheduled yet is not missed, so a loaded machine slows a step
/// down by its load and no more. Several callers, engines say, may share a pool: their jobs take turns, first come, first served. Idle workers spin for a
/// bounded time, because a decode step has about a hundred jobs a few microseconds apart, and then park, because an idle engine must not burn a core.
/// </summary>
public sealed class WorkerPool : IDisposable
{
    private const int SpinLimit = 1000;
    private readonly Thread[] _threads;
    private readonly int _spinLimit;
    private readonly int[] _cpus;
    private readonly FairLock _turns = new();
    private readonly SemaphoreSlim _parked = new(0);
    private ParallelJob? _job;
    private Exception? _failure;

    // The number of the job in the high half, the items of it that nobody has taken in the low half. One word, so that taking an
    // item proves which job it belongs to; that job cannot end, nor its fields change, before the item is done.
    private long _ticket;
    private int _itemCount;
    private int _itemsDone;
    private int _parkedCount;
    private volatile bool _stopping;
    private int _disposed;

    /// <param name="workerCount">Workers in all, the caller among them; from 1 to 1024.</param>
    /// <param name="pinned">Whether each thread of the pool is bound to a physical core of its own, as far as no other pool of this process has it.</param>
    public WorkerPool(int workerCount, bool pinned = false)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(workerCount, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(workerCount, 1024);
        WorkerCount = workerCount;
        // Of more workers than processors, one that waits takes the place of one that computes.
        _spinLimit = workerCount > Environment.ProcessorCount ? 0 : SpinLimit;
        _threads = new Thread[workerCount - 1];
        _cpus = pinned ? OwnedCpus.Take(ProcessorTopology.PhysicalCpus().AsSpan(1), _threads.Length) : [];
        for (var i = 0; i < _threads.Length; i++)
        {
            var worker = i + 1;
            int? cpu = i < _cpus.Length ? _cpus[i] : null;
            _threads[i] = new Thread(() => Work(worker, cpu)) { IsBackground = true, Name = $"kvasir worker {worker}" };
            _threads[i].Start();
        }
    }

    public int WorkerCount { get; }

    /// <summary>The CPUs that threads of the pool are bound to.</summary>
    internal ReadOnlySpan<int> Cpus => _cpus;

    internal int ParkedCount => Volatile.Read(ref _parkedCount);

    /// <summary>
    /// Runs every item in [0, <paramref name="itemCount"/>) once and returns when all are done. Items are taken in ascending order
    /// by whichever worker is free, so their results must not depend on who runs them. An exception in an item is rethrown here,
    /// after the others have run.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The pool was disposed.</exception>
    public void Run(ParallelJob job, int itemCount)
    {
        ArgumentNullException.ThrowIfNull(job);
        _turns.Await();
        try
        {
            ObjectDisposedException.ThrowIf(_stopping, this);
            if (_threads.Length == 0 || itemCount <= 1)
                RunAlone(job, itemCount);
            else
                RunTogether(job, itemCount);
        }
        finally
        {
            _turns.Pass();
        }
    }

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
            return;
        _stopping = true;
        _parked.Release(WorkerCount);
        foreach (var thread in _threads)
            thread.Join();
        OwnedCpus.Give(_cpus);
        _parked.Dispose();
    }

    private void RunTogether(ParallelJob job, int itemCount)
    {
        (_job, _itemCount, _itemsDone) = (job, itemCount, 0);
        var number = (_ticket >> 32) + 1;
        Interlocked.Exchange(ref _ticket, (number << 32) | (uint)itemCount);
        var wanted = Math.Min(Volatile.Read(ref _parkedCount), itemCount - 1);
        if (wanted > 0)
            _parked.Release(wanted);
        while (TryTakeItem(out var item))
            Execute(item, 0);
        AwaitItems();
        _job = null;
        Rethrow();
    }

    private void RunAlone(ParallelJob job, int itemCount)
    {
        for (var item = 0; item < itemCount; item++)
        {
            try
            {
                job.Execute(item, 0);
            }
            catch (Exception exception)
            {
                _failure ??= exception;
            }
        }

        Rethrow();
    }

    private void Rethrow()
    {
        var failure = _failure;
        _failure = null;
        if (failure is not null)
            ExceptionDispatchInfo.Throw(failure);
    }

    private void Work(int worker, int? cpu)
    {
        if (cpu is { } own)
            ThreadAffinity.TryPinCurrentThread(own);
        while (!_stopping)
        {
            if (TryTakeItem(out var item))
                Execute(item, worker);
            else
                AwaitJob();
        }
    }

    private bool TryTakeItem(out int item)
    {
        var ticket = Volatile.Read(ref _ticket);
        while ((int)ticket > 0)
        {
            var seen = Interlocked.CompareExchange(ref _ticket, ticket - 1, ticket);
            if (seen == ticket)
            {
                item = _itemCount - (int)ticket;
                return true;
            }

            ticket = seen;
        }

        item = -1;
        return false;
    }

    private void Execute(int item, int worker)
    {
        try
        {
            _job!.Execute(item, worker);
        }
        catch (Exception exception)
        {
            // Kept as it is: memory may be what there is none of, and an exception here would end the process.
            Interlocked.CompareExchange(ref _failure, exception, null);
        }

        Interlocked.Increment(ref _itemsDone);
    }

    private void AwaitJob()
    {
        for (var spin = 0; spin < _spinLimit; spin++)
        {
            if ((int)Volatile.Read(ref _ticket) > 0 || _stopping)
                return;
            Thread.SpinWait(20);
        }

        // Counted before the last look: either Run sees the count and releases, or this look sees its items.
        Interlocked.Increment(ref _parkedCount);
        if ((int)Volatile.Read(ref _ticket) == 0 && !_stopping)
            _parked.Wait();
        Interlocked.Decrement(ref _parkedCount);
    }

    private void AwaitItems()
    {
        var wait = default(SpinWait);
        // Yields but does not sleep: the others are at most one item behind.
        while (Volatile.Read(ref _itemsDone) < _itemCount)
            wait.SpinOnce(sleep1Threshold: -1);
    }
}
