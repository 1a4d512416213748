using Kvasir.Cache;

namespace Kvasir.Test.Ground;

public sealed class MemoryBudgetTest
{
    [Fact]
    public void WhatIsRefusedIsNotTaken()
    {
        var whole = new MemoryBudget(100);
        var (first, second) = (new MemoryBudget(80, whole), new MemoryBudget(90, whole));
        Assert.True(first.TryTake(MemoryUse.Pages, 60));
        Assert.False(first.TryTake(MemoryUse.Indexes, 21));
        Assert.False(second.TryTake(MemoryUse.Indexes, 41));
        Assert.True(second.TryTake(MemoryUse.Indexes, 40));
        Assert.Equal((60, 40, 100, 0), (first.TakenBytes, second.TakenBytes, whole.TakenBytes, second.LeftBytes));
        Assert.Equal(new MemoryFigures(60, 40, 0, 0), whole.Figures);
        first.Leave();
        Assert.Equal(new MemoryFigures(0, 40, 0, 0), whole.Figures);
        Assert.Throws<ArgumentOutOfRangeException>(() => whole.TryTake(MemoryUse.Pages, -1));
    }

    [Fact]
    public void MemoryBesideTheLimitIsTakenFromAboveAlone()
    {
        var whole = new MemoryBudget(100);
        var own = new MemoryBudget(50, whole);
        Assert.True(own.TryTakeBeside(MemoryUse.Scratch, 60));
        Assert.False(own.TryTakeBeside(MemoryUse.Scratch, 41));
        Assert.Equal((110, 40), (own.LimitBytes, own.LeftBytes));
        own.AddBeside(MemoryUse.Scratch, 10);
        Assert.Equal((30, 70), (own.LeftBytes, whole.TakenBytes));
        own.Add(MemoryUse.Indexes, 35);
        Assert.Equal((0, 105), (own.LeftBytes, whole.TakenBytes));
    }

    [Fact]
    public void WhoeverWasRefusedIsToldOnce()
    {
        var whole = new MemoryBudget(100);
        var (first, second) = (new MemoryBudget(100, whole), new MemoryBudget(100, whole));
        var told = 0;
        whole.Returned += () => told++;
        Assert.True(first.TryTake(MemoryUse.Pages, 100));
        first.Give(MemoryUse.Pages, 10);
        Assert.Equal(0, told);
        Assert.False(second.TryTake(MemoryUse.Pages, 20));
        Assert.True(first.IsWanted);
        first.Give(MemoryUse.Pages, 5);
        first.Give(MemoryUse.Pages, 5);
        Assert.Equal(1, told);
    }

    [Fact]
    public void ThreadsTogetherNeverTakeMoreThanThereIs()
    {
        var whole = new MemoryBudget(1000);
        var (most, held) = (0L, 0L);
        Parallel.For(0, 8, seed =>
        {
            var (own, random) = (new MemoryBudget(700, whole), new Random(seed));
            for (var i = 0; i < 20_000; i++)
            {
                var bytes = random.Next(400);
                if (!own.TryTake(MemoryUse.Pages, bytes))
                    continue;
                var now = Interlocked.Add(ref held, bytes);
                if (now > Volatile.Read(ref most))
                    Volatile.Write(ref most, now);
                Interlocked.Add(ref held, -bytes);
                own.Give(MemoryUse.Pages, bytes);
            }
        });
        Assert.InRange(most, 1, 1000);
        Assert.Equal(new MemoryFigures(0, 0, 0, 0), whole.Figures);
        Assert.Equal(0, whole.TakenBytes);
    }
}
