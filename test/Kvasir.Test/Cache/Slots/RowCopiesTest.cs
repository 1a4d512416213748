using Kvasir.Cache;
using Kvasir.Cache.Slots;

namespace Kvasir.Test.Cache.Slots;

/// <summary>Copies are found as a dictionary would find them, and what is wanted in a round stays to its end.</summary>
public sealed class RowCopiesTest
{
    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 1)]
    [InlineData(3, 5)]
    public void CopiesAreFoundAsInADictionary(int seed, int pages)
    {
        var (copies, expected, random) = (new RowCopies(), new Dictionary<int, int>(), new Random(seed));
        for (var page = 0; page < pages; page++)
        {
            copies.Add(1000 + page);
            Walk(copies, expected, random, rounds: 60);
        }

        Assert.Equal(pages, copies.Pages.Length);
        copies.Truncate(0);
        Assert.Equal(0, copies.Count);
        Assert.False(copies.TryFind(1, out _));
    }

    [Fact]
    public void WhatARoundWantsIsNotGivenUpForMore()
    {
        var copies = new RowCopies();
        copies.Add(64);
        copies.BeginRound();
        for (var row = 0; row < PagePool.PageTokens; row++)
            Assert.True(copies.TryPlace(7 * row, out _));
        Assert.False(copies.TryPlace(5, out _));
        copies.BeginRound();
        Assert.True(copies.TryFind(0, out var first));
        // One that was not wanted again goes, and no other than that.
        Assert.True(copies.TryPlace(5, out var place));
        Assert.NotEqual(first, place);
        Assert.True(copies.TryFind(0, out _) && copies.TryFind(5, out _));
        Assert.Equal(PagePool.PageTokens, copies.Count);
    }

    // Copies of rows that are nowhere else outlast all others, until nobody will read them.
    [Fact]
    public void WhatIsNowhereElseStays()
    {
        const int Only = 20;
        var copies = new RowCopies { OnlyBefore = Only };
        copies.Add(64);
        for (var row = 0; row < Only; row++)
            Assert.True(copies.TryPlace(row, out _));
        for (var round = 0; round < 40; round++)
        {
            copies.BeginRound();
            Assert.True(copies.TryPlace(100 + round, out _));
        }

        Assert.All(Enumerable.Range(0, Only), row => Assert.True(copies.TryFind(row, out _)));
        var edit = new RowEdit();
        edit.Begin(200);
        edit.Drop(3, 5);
        edit.Drop(130, 40);
        copies.DropSpent(edit.Keeps);
        Assert.All(Enumerable.Range(0, Only), row => Assert.Equal(row is < 3 or > 7, copies.TryFind(row, out _)));
        Assert.True(copies.TryFind(139, out _));
        Assert.Equal(PagePool.PageTokens - 5, copies.Count);
    }

    private static void Walk(RowCopies copies, Dictionary<int, int> expected, Random random, int rounds)
    {
        var rooms = copies.Pages.Length * PagePool.PageTokens;
        for (var round = 0; round < rounds; round++)
        {
            copies.BeginRound();
            foreach (var row in Enumerable.Range(0, rooms / 2).Select(_ => random.Next(3 * rooms)).Distinct())
            {
                if (expected.TryGetValue(row, out var known))
                {
                    Assert.True(copies.TryFind(row, out var place) && place == known, $"row {row} lies at {known}, found at {place}");
                    continue;
                }

                Assert.False(copies.TryFind(row, out _));
                Assert.True(copies.TryPlace(row, out var given));
                foreach (var gone in expected.Where(entry => entry.Value == given).Select(static entry => entry.Key).ToArray())
                    expected.Remove(gone);
                expected.Add(row, given);
            }

            Assert.Equal(expected.Count, copies.Count);
            if (round % 7 != 6)
                continue;
            var end = random.Next(3 * rooms);
            copies.Truncate(end);
            foreach (var gone in expected.Keys.Where(row => row >= end).ToArray())
                expected.Remove(gone);
        }
    }
}
