using Kvasir.Cache;
using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Test.Cache;

public sealed class PagePoolTest
{
    [Fact]
    public void HandsOutEveryPageOnceAndThenNoMore()
    {
        using var pool = new PagePool(KvFormat.F32, headDim: 8, limitBytes: 100 * PageBytes(8) + 7);
        Assert.Equal(100, pool.PageLimit);
        var taken = new HashSet<int>();
        while (pool.TryTake(out var page))
            Assert.True(taken.Add(page));
        Assert.Equal(100, taken.Count);
        Assert.Equal(0, pool.PagesLeft);
        pool.Verify();
        foreach (var page in taken)
            pool.Return(page);
        Assert.Equal(0, pool.PagesInUse);
        pool.Verify();
    }

    [Fact]
    public void PagesDoNotOverlap()
    {
        using var pool = new PagePool(KvFormat.BF16, headDim: 33, limitBytes: 8 << 20);
        var addresses = new List<nint>();
        while (pool.TryTake(out var page))
            addresses.Add(pool.Address(page));
        addresses.Sort();
        for (var i = 1; i < addresses.Count; i++)
            Assert.True(addresses[i] - addresses[i - 1] >= pool.PageBytes, $"pages {i - 1} and {i}");
    }

    [Fact]
    public void GrowsByNeedNotByLimit()
    {
        using var pool = new PagePool(KvFormat.BF16, headDim: 128, limitBytes: 1L << 40);
        Assert.Equal(0, pool.ResidentBytes);
        Assert.True(pool.TryTake(out _));
        Assert.InRange(pool.ResidentBytes, pool.PageBytes, 8 << 20);
    }

    [Fact]
    public void PagesThatWereLeftApartAreGatheredAndTheirSlabsGivenBack()
    {
        using var pool = new PagePool(KvFormat.F32, headDim: 8, limitBytes: 640 * PageBytes(8));
        var (one, other) = (new PageTable(pool, 320), new PageTable(pool, 320));
        for (var i = 1; i <= 320; i++)
            Assert.True(one.TryGrow(i) && other.TryGrow(i));
        for (var i = 0; i < 320; i++)
        {
            one.Bytes(i).Fill((byte)i);
            other.Bytes(i).Fill((byte)(i + 100));
        }

        // A page that two have stays where it is.
        var shared = new PageTable(pool, 1);
        shared.Adopt(one.Pages[319]);
        for (var left = 320; left > 64; left--)
            one.Remove(left % 3 == 0 ? 0 : left / 2, 1);
        var before = pool.ResidentBytes;
        var kept = Enumerable.Range(0, one.Count).Select(i => one.Bytes(i)[0]).ToArray();
        pool.BeginGather();
        one.Gather();
        other.Gather();
        pool.EndGather();
        pool.Verify();
        pool.Trim();
        pool.Verify();
        Assert.True(pool.ResidentBytes < before, $"{pool.ResidentBytes} of {before} bytes");
        Assert.Equal(kept, Enumerable.Range(0, one.Count).Select(i => one.Bytes(i)[0]));
        Assert.All(Enumerable.Range(0, 320), i => Assert.Equal((byte)(i + 100), other.Bytes(i)[^1]));
        Assert.Equal((byte)(319 & 255), shared.Bytes(0)[0]);
        Assert.Equal(one.Pages.ToArray().Select(pool.Address), one.Addresses.ToArray());
    }

    [Fact]
    public void ReturningAPageTwiceIsFound()
    {
        using var pool = new PagePool(KvFormat.F32, headDim: 8, limitBytes: 1 << 20);
        Assert.True(pool.TryTake(out var page));
        pool.Return(page);
        Assert.ThrowsAny<Exception>(() => pool.Return(page));
    }

    [Fact]
    public void ALimitBelowOnePageIsRefusedWithBothNumbers()
    {
        var refusal = Assert.Throws<KvasirException>(() => new PagePool(KvFormat.F32, headDim: 8, limitBytes: 100));
        Assert.Equal(KvasirError.KvMemoryExceeded, refusal.Error);
        Assert.Contains("100 bytes", refusal.Message, StringComparison.Ordinal);
        Assert.Contains($"{PageBytes(8)} bytes", refusal.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void StaysSoundUnderRandomUse(int seed)
    {
        using var pool = new PagePool(KvFormat.F32, headDim: 4, limitBytes: 300 * PageBytes(4));
        var random = new Random(seed);
        var held = new List<int>();
        for (var i = 0; i < 5000; i++)
        {
            if (random.Next(100) < 55 && pool.TryTake(out var page))
            {
                held.Add(page);
            }
            else if (held.Count > 0)
            {
                var at = random.Next(held.Count);
                pool.Return(held[at]);
                held.RemoveAt(at);
            }
        }

        Assert.Equal(held.Count, pool.PagesInUse);
        Assert.Equal(held.Count, held.Distinct().Count());
        pool.Verify();
    }

    [Fact]
    public void SlabsWhosePagesAllCameBackAreGivenBack()
    {
        var memory = new MemoryBudget(640 * PageBytes(8));
        using var pool = new PagePool(KvFormat.F32.Page(8, PagePool.PageTokens), memory);
        var random = new Random(4);
        var held = new List<int>();
        for (var round = 0; round < 300; round++)
        {
            for (var i = random.Next(60); i > 0 && pool.TryTake(out var page); i--)
                held.Add(page);
            for (var i = random.Next(60); i > 0 && held.Count > 0; i--)
            {
                var at = random.Next(held.Count);
                pool.Return(held[at]);
                held.RemoveAt(at);
            }

            if (round % 7 == 0)
                pool.Trim();
            pool.Verify();
            Assert.Equal(pool.ResidentBytes, memory.TakenBytes);
        }

        held.ForEach(pool.Return);
        Assert.True(pool.ResidentBytes > 0);
        Assert.True(pool.Trim());
        pool.Verify();
        Assert.Equal((0, 0), (pool.ResidentBytes, memory.TakenBytes));
        Assert.False(pool.Trim());
    }

    private static long PageBytes(int headDim) => 2 * PagePool.PageTokens * RowCodec.F32.RowBytes(headDim);
}
