using System.Globalization;
using Kvasir.Tiers;
using static Kvasir.Test.Support.StoreChunks;

namespace Kvasir.Test.Tiers;

/// <summary>A store on disk that cannot write goes on being read, and tries again.</summary>
public sealed class UnwritableStoreTest : IDisposable
{
    private static readonly TimeSpan Minute = TimeSpan.FromSeconds(61);
    private readonly TempFolder _temp = new();
    private readonly SetClock _clock = new();
    private readonly string _folder;

    public UnwritableStoreTest() => _folder = _temp.File("store");

    private PrefixStoreOptions Options => new() { Time = _clock, ReserveBytes = 0 };

    public void Dispose() => _temp.Dispose();

    [Theory]
    [InlineData("chunk")]
    [InlineData("sync")]
    [InlineData("names")]
    public void WhatCannotBeWrittenIsLeftOutAndTriedAgainAfterAMinute(string where)
    {
        var fails = false;
        var options = Options with { Writing = at => { if (fails && at == where) throw new IOException("No space left on device"); } };
        using var store = DiskPrefixStore.Open(_folder, options);
        var (before, lost) = (Chain(1, 16), Chain(7000, 16));
        Write(store, before);
        fails = true;
        foreach (var chunk in lost)
            store.TryWrite(chunk, Rows(chunk));
        store.Flush();
        Assert.Equal((false, "No space left on device", 1L), (store.Figures.IsUp, store.Figures.Problem, store.Figures.WriteErrors));
        Assert.All(before, chunk => Assert.True(Has(store, chunk)));
        Assert.All(lost, chunk => Assert.False(store.MayHave(chunk.Name)));
        fails = false;
        Assert.False(store.TryWrite(lost[0], Rows(lost[0])));
        _clock.Add(Minute);
        Write(store, lost);
        Assert.All(before.Concat(lost), chunk => Assert.True(Has(store, chunk)));
        Assert.True(store.Figures.IsUp);
    }

    [Fact]
    public void ADiskThatIsNearlyFullIsLeftToOthers()
    {
        using var store = DiskPrefixStore.Open(_folder, Options with { ReserveBytes = long.MaxValue / 2 });
        var chunk = Chain(1, 8)[0];
        Assert.False(store.TryWrite(chunk, Rows(chunk)));
        Assert.Contains("are left to others", store.Figures.Problem, StringComparison.Ordinal);
    }

    // Its index is written anew when a folder is opened: where that fails, rows are there all the same.
    [Fact]
    public void AnOwnerThatCannotWriteReadsWhatIsThere()
    {
        var (chain, more) = (Chain(1, 16), Chain(7000, 16));
        using (var store = Open())
            Write(store, chain);
        var log = Directory.GetFiles(Path.Combine(_folder, "index"), "*.log").Single();
        var number = int.Parse(Path.GetFileNameWithoutExtension(log), CultureInfo.InvariantCulture);
        // A folder, which no file replaces, lies where the next would be.
        var obstacle = Directory.CreateDirectory(Path.Combine(_folder, "index", string.Create(CultureInfo.InvariantCulture, $"{number + 1:D8}.log"), "in"));
        using var next = Open();
        Assert.False(next.Figures.IsUp);
        Assert.False(next.TryWrite(more[0], Rows(more[0])));
        Assert.All(chain, chunk => Assert.True(Has(next, chunk)));
        obstacle.Parent!.Delete(recursive: true);
        _clock.Add(Minute);
        Write(next, more);
        Assert.All(chain.Concat(more), chunk => Assert.True(Has(next, chunk)));
        Assert.True(next.Figures.IsUp, next.Figures.Problem);
    }

    private DiskPrefixStore Open() => DiskPrefixStore.Open(_folder, Options);
}
