namespace Kvasir.Test.Ground;

public sealed class WorkerPoolTest
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(5)]
    public void EveryItemRunsOnce(int workerCount)
    {
        using var pool = new WorkerPool(workerCount);
        var job = new CountingJob(1000);
        for (var run = 0; run < 200; run++)
        {
            var items = run * 5;
            Array.Clear(job.Counts);
            pool.Run(job, items);
            Assert.All(job.Counts.Take(items), count => Assert.Equal(1, count));
            Assert.All(job.Counts.Skip(items), count => Assert.Equal(0, count));
        }
    }

    [Fact]
    public void WorkersWakeAfterParking()
    {
        using var pool = new WorkerPool(3);
        var job = new CountingJob(64);
        for (var run = 0; run < 5; run++)
        {
            Assert.True(SpinWait.SpinUntil(() => pool.ParkedCount == 2, TimeSpan.FromSeconds(30)), "workers do not park");
            Array.Clear(job.Counts);
            pool.Run(job, 64);
            Assert.All(job.Counts, count => Assert.Equal(1, count));
        }
    }

    [Fact]
    public void AFailureInAnItemReachesTheCallerAndThePoolGoesOn()
    {
        using var pool = new WorkerPool(4);
        var failing = new FailingJob();
        for (var run = 0; run < 50; run++)
        {
            var failure = Assert.Throws<InvalidOperationException>(() => pool.Run(failing, 100));
            Assert.Equal("item 57", failure.Message);
        }

        var job = new CountingJob(100);
        pool.Run(job, 100);
        Assert.All(job.Counts, count => Assert.Equal(1, count));
    }

    // Each caller is worker 0 of its own jobs: two at a time would write to the same numbers.
    [Fact]
    public void JobsOfSeveralCallersTakeTurns()
    {
        using var pool = new WorkerPool(3);
        var running = 0;
        var callers = Enumerable.Range(0, 4).Select(_ => new Thread(() =>
        {
            var job = new CountingJob(50);
            for (var run = 1; run <= 100; run++)
            {
                pool.Run(new AloneJob(() => Interlocked.Increment(ref running), () => Interlocked.Decrement(ref running)), 1);
                pool.Run(job, 50);
                Assert.All(job.Counts, count => Assert.Equal(run, count));
            }
        })).ToArray();
        foreach (var caller in callers)
            caller.Start();
        foreach (var caller in callers)
            caller.Join();
        Assert.Equal(0, running);
        Assert.Equal(1, AloneJob.Most);
    }

    [Fact]
    public void NoCpuBelongsToTwoPools()
    {
        using var first = new WorkerPool(8, pinned: true);
        using var second = new WorkerPool(4, pinned: true);
        Assert.Empty(first.Cpus.ToArray().Intersect(second.Cpus.ToArray()));
        var job = new CountingJob(100);
        second.Run(job, 100);
        Assert.All(job.Counts, count => Assert.Equal(1, count));
    }

    [Fact]
    public void RunningAllocatesNothing()
    {
        using var pool = new WorkerPool(2);
        var job = new CountingJob(64);
        pool.Run(job, 64);
        var bytes = AllocatedBytes.Of(() =>
        {
            for (var run = 0; run < 100; run++)
                pool.Run(job, 64);
        });
        Assert.Equal(0, bytes);
    }

    private sealed class CountingJob(int itemCount) : ParallelJob
    {
        public int[] Counts { get; } = new int[itemCount];

        public override void Execute(int item, int worker) => Interlocked.Increment(ref Counts[item]);
    }

    private sealed class AloneJob(Func<int> enter, Action leave) : ParallelJob
    {
        private static int _most;

        public static int Most => _most;

        public override void Execute(int item, int worker)
        {
            _most = Math.Max(_most, enter());
            leave();
        }
    }

    private sealed class FailingJob : ParallelJob
    {
        public override void Execute(int item, int worker)
        {
            if (item == 57)
                throw new InvalidOperationException("item 57");
        }
    }
}
