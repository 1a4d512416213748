using System.Globalization;
using Kvasir.Cache;
using Kvasir.Tiers;
using static Kvasir.Test.Support.StoreChunks;

namespace Kvasir.Test.Tiers;

/// <summary>What a store on disk is written is found by the next, as it was or not at all, whatever went wrong between.</summary>
public sealed class DiskPrefixStoreTest : IDisposable
{
    private static readonly TimeSpan Minute = TimeSpan.FromSeconds(61);
    private readonly TempFolder _temp = new();
    private readonly SetClock _clock = new();
    private readonly string _folder;

    public DiskPrefixStoreTest() => _folder = _temp.File("store");

    private PrefixStoreOptions Options => new() { Time = _clock, ReserveBytes = 0 };

    public void Dispose() => _temp.Dispose();

    [Theory]
    [InlineData(1, 1)]
    [InlineData(8, 100)]
    [InlineData(9, 4096)]
    [InlineData(31, 12_345)]
    public void WhatIsWrittenIsFoundByTheNext(int columns, int columnBytes)
    {
        var chain = Chain(7, columns, columnBytes);
        using (var store = Open())
        {
            Assert.False(store.MayHave(chain[0].Name));
            Write(store, chain);
            Assert.All(chain, chunk => Assert.True(Has(store, chunk)));
        }

        using var next = Open();
        Assert.All(chain, chunk => Assert.True(Has(next, chunk)));
        Assert.Equal((chain.Length, true), (next.Figures.Chunks, next.Figures.IsUp));
        var listed = Assert.Single(next.List());
        Assert.Equal(("test f32", 1, columns * 32L), (listed.Origin, listed.Chains, listed.Tokens));
        Assert.Equal((chain.Length, 0), next.Verify());
        Assert.False(Has(next, Chain(8, 1, columnBytes)[0]));
    }

    [Fact]
    public void NothingButTheOwnersMayLookAtIt()
    {
        using var store = Open();
        Write(store, Chain(1, 8));
        if (OperatingSystem.IsWindows())
            return;
        foreach (var file in Directory.GetFiles(_folder, "*.*g", SearchOption.AllDirectories))
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(_folder));
    }

    [Fact]
    public void ANameStandsForItsTokensAndForWhatIsBeforeThem()
    {
        using var store = Open();
        var (chain, other) = (Chain(7, 16), Chain(9, 16));
        Write(store, chain);
        // As if two names were the same.
        foreach (var wrong in new[]
        {
            chain[1] with { Tokens = other[1].Tokens }, chain[1] with { Parent = other[0].Name }, chain[1] with { Root = other[0].Name },
            chain[1] with { ColumnBytes = 99 }, chain[1] with { Tokens = chain[1].Tokens[..32] },
        })
            Assert.False(store.TryRead(wrong, new byte[2000]));
        Assert.Equal(5, store.Figures.Damaged);
        Assert.True(Has(store, chain[1]));
        // Nobody would find what has nothing before it.
        Assert.False(store.TryWrite(other[1], Rows(other[1])));
        Assert.False(store.TryWrite(chain[1] with { Tokens = other[1].Tokens }, Rows(chain[1])));
        Assert.True(store.Figures.IsUp);
    }

    [Fact]
    public void AnEndOfAChainGoesWhenTheChainGoesOn()
    {
        using var store = Open();
        var (shorter, longer) = (Chain(7, 11), Chain(7, 20));
        Write(store, shorter);
        Write(store, longer);
        Assert.False(store.MayHave(shorter[1].Name));
        Assert.All(longer, chunk => Assert.True(Has(store, chunk)));
        Assert.Equal((3, 20 * 32L), (store.Figures.Chunks, store.List().Sum(static listed => listed.Tokens)));
        // Another way on from the same place stays.
        var branch = Chain(0, 11, tokens: [.. Enumerable.Range(7, 256), .. Enumerable.Range(1000, 96)]);
        Write(store, branch);
        Write(store, Chain(7, 21));
        Assert.True(Has(store, branch[1]));
    }

    [Fact]
    public void ChainsThatShareABeginningAreThereWhicheverWasUsedLast()
    {
        var seed = Environment.TickCount;
        var random = new Random(seed);
        int[] beginning = [.. Enumerable.Range(7, 256)];
        // Ways on from the first chunk, and from the second of the first way.
        int[] way = [.. beginning, .. Enumerable.Range(1000, 256)];
        PrefixChunk[][] chains =
        [
            Chain(0, 24, tokens: [.. way, .. Enumerable.Range(2000, 256)]), Chain(0, 24, tokens: [.. way, .. Enumerable.Range(3000, 256)]),
            Chain(0, 11, tokens: [.. beginning, .. Enumerable.Range(4000, 96)]), Chain(50_000, 9),
        ];
        for (var process = 0; process < 10; process++)
        {
            using var store = Open();
            if (process == 0)
                Array.ForEach(chains, chain => Write(store, chain));
            Assert.All(chains.SelectMany(static chain => chain), chunk => Assert.True(store.MayHave(chunk.Name), $"seed {seed}, process {process}"));
            // The beginning is used behind what follows it.
            for (var i = random.Next(5); i >= 0; i--)
                Assert.True(Has(store, random.GetItems(chains, 1)[0][0]));
        }
    }

    [Fact]
    public void WhatWasNotUsedForTheLongestTimeGoesFirstAndTheLimitHolds()
    {
        const long Limit = 1 << 20;
        using (var store = DiskPrefixStore.Open(_folder, Options with { LimitBytes = Limit, SegmentBytes = 100_000 }))
        {
            var first = Chain(1_000_000, 8, 2000);
            Write(store, first);
            for (var i = 0; i < 120; i++)
            {
                Write(store, Chain(i * 10_000, 24, 2000));
                Assert.True(Has(store, first[0]), $"after {i}");
                Assert.InRange(store.Figures.Bytes, 1, Limit);
                Assert.InRange(new DirectoryInfo(_folder).EnumerateFiles("*.seg", SearchOption.AllDirectories).Sum(static file => file.Length), 1, Limit);
            }

            Assert.All(Chain(119 * 10_000, 24, 2000), chunk => Assert.True(Has(store, chunk)));
            Assert.All(Chain(0, 24, 2000), chunk => Assert.False(store.MayHave(chunk.Name)));
            Assert.InRange(store.Figures.EvictedChunks, 200, 360);
            Assert.InRange(store.Figures.Chunks, 15, 52);
            Assert.Equal((store.Figures.Chunks, 0), store.Verify());
        }

        // The order of use is known to the next.
        using var next = DiskPrefixStore.Open(_folder, Options with { LimitBytes = Limit, SegmentBytes = 100_000 });
        var (whole, damaged) = next.Verify();
        Assert.Equal((next.Figures.Chunks, 0), (whole, damaged));
    }

    [Fact]
    public void AChunkThatTheLimitCannotHoldIsLeftOut()
    {
        using var store = DiskPrefixStore.Open(_folder, Options with { LimitBytes = 1 << 20 });
        var small = Chain(1, 8);
        Write(store, small);
        var large = Chain(5, 8, 200_000)[0];
        Assert.False(store.TryWrite(large, Rows(large)));
        Assert.False(store.Figures.IsUp);
        _clock.Add(Minute);
        Write(store, Chain(3000, 8));
        Assert.True(store.Figures.IsUp);
    }

    [Fact]
    public void OneProcessOwnsAFolderAndOthersReadWhatWasThere()
    {
        var (before, after) = (Chain(1, 16), Chain(5000, 16));
        var owner = Open();
        Write(owner, before);
        using var reader = Open();
        Assert.False(reader.Figures.IsUp);
        Assert.Contains($"belongs to process {Environment.ProcessId}", reader.Figures.Problem, StringComparison.Ordinal);
        Assert.All(before, chunk => Assert.True(Has(reader, chunk)));
        Assert.False(reader.TryWrite(after[0], Rows(after[0])));
        Assert.Contains("cannot be cleared", Assert.Throws<KvasirException>(reader.Clear).Message, StringComparison.Ordinal);
        Write(owner, after);
        owner.Dispose();
        Assert.False(reader.MayHave(after[0].Name));
        // The owner is gone: whoever writes a minute later owns it, and knows what came meanwhile.
        Assert.False(reader.TryWrite(before[0], Rows(before[0])));
        _clock.Add(Minute);
        Write(reader, Chain(9000, 8));
        Assert.True(reader.Figures.IsUp);
        Assert.All(before.Concat(after), chunk => Assert.True(Has(reader, chunk)));
    }

    [Fact]
    public void WhatItsOwnerDeletesIsMissedByAReader()
    {
        using var owner = Open();
        Write(owner, Chain(1, 16));
        using var reader = DiskPrefixStore.Open(_folder, Options with { ReadsOnly = true });
        owner.Clear();
        Assert.Equal((0, 0), (owner.Figures.Chunks, owner.List().Count));
        Assert.False(Has(reader, Chain(1, 16)[0]));
        Assert.Equal(0, reader.Figures.Chunks);
        Write(owner, Chain(1, 16));
        Assert.True(Has(owner, Chain(1, 16)[1]));
    }

    [Fact]
    public void AFolderThatIsRemovedCostsWhatWasInItAndNothingElse()
    {
        using var store = DiskPrefixStore.Open(_folder, Options with { SegmentBytes = 4096 });
        var (chain, next) = (Chain(1, 16), Chain(7000, 16));
        Write(store, chain);
        Directory.Delete(_folder, recursive: true);
        foreach (var chunk in chain)
            Has(store, chunk);
        foreach (var chunk in next)
            store.TryWrite(chunk, Rows(chunk));
        store.Flush();
        Assert.False(store.Figures.IsUp);
        _clock.Add(Minute);
        Write(store, next);
        Assert.All(next, chunk => Assert.True(Has(store, chunk)));
        Assert.False(store.MayHave(chain[0].Name));
    }

    [Fact]
    public void NoOtherPlaceThanAFolderWillDo()
    {
        var file = _temp.Write("file", "text");
        using var store = DiskPrefixStore.Open(file, Options);
        Assert.False(store.Figures.IsUp);
        Assert.False(store.TryWrite(Chain(1, 1)[0], Rows(Chain(1, 1)[0])));
        Assert.Equal(KvasirError.BadOption, Assert.Throws<KvasirException>(() => DiskPrefixStore.Open(_folder, new PrefixStoreOptions { LimitBytes = 9 })).Error);
    }

    // Whatever the process was doing, and however much of the last thing it wrote is there.
    [Fact]
    [Trait("Needs", "Minutes")]
    public void WhateverEndsItWhatWasAcknowledgedIsThereAndNothingTornIsSeen()
    {
        var (seed, moments) = (Environment.TickCount, new List<(string Copy, PrefixChunk[] Acknowledged)>());
        var random = new Random(seed);
        List<PrefixChunk> acknowledged = [];
        var options = Options with { LimitBytes = 1 << 20, SegmentBytes = 60_000, Writing = at => Snapshot() };
        using (var store = DiskPrefixStore.Open(_folder, options))
        {
            for (var i = 0; i < 24; i++)
            {
                var chain = Chain(i * 10_000, random.Next(1, 30), 1000);
                Write(store, chain);
                acknowledged.AddRange(chain);
                Snapshot();
            }
        }

        foreach (var (copy, expected) in moments)
        {
            Tear(copy, random);
            using var next = DiskPrefixStore.Open(copy, Options);
            Assert.All(expected, chunk => Assert.True(Has(next, chunk), $"seed {seed}: {copy}"));
            Assert.Equal((next.Figures.Chunks, 0), next.Verify());
            Write(next, Chain(5_000_000, 9, 1000));
            Assert.All(Chain(5_000_000, 9, 1000), chunk => Assert.True(Has(next, chunk)));
        }

        Assert.InRange(moments.Count, 50, 500);

        void Snapshot()
        {
            var copy = _temp.File($"moment{moments.Count}");
            Copy(_folder, copy);
            moments.Add((copy, [.. acknowledged]));
        }
    }

    // KVASIR_FLIPS says how many; the whole count is 5000.
    [Fact]
    public void NoByteThatIsFlippedGivesOtherRows()
    {
        var flips = int.Parse(Environment.GetEnvironmentVariable("KVASIR_FLIPS") ?? "150", System.Globalization.CultureInfo.InvariantCulture);
        var (seed, chain) = (Environment.TickCount, Chain(1, 30, 700));
        var random = new Random(seed);
        using (var store = Open())
            Write(store, chain);
        var files = Directory.GetFiles(_folder, "*.*g", SearchOption.AllDirectories);
        Assert.Equal(2, files.Length);
        var missed = 0;
        for (var i = 0; i < flips; i++)
        {
            var copy = _temp.File($"flipped{i}");
            Copy(_folder, copy);
            var file = Path.Combine(copy, Path.GetRelativePath(_folder, files[i % files.Length]));
            var bytes = File.ReadAllBytes(file);
            bytes[random.Next(bytes.Length)] ^= (byte)(1 << random.Next(8));
            File.WriteAllBytes(file, bytes);
            using (var next = DiskPrefixStore.Open(copy, Options))
            {
                foreach (var chunk in chain)
                    missed += Has(next, chunk) ? 0 : 1;
                Assert.True(next.Figures.IsUp, $"seed {seed}");
                // What is missed is computed, and written again.
                Write(next, chain);
                Assert.All(chain, chunk => Assert.True(Has(next, chunk), $"seed {seed}: {i}"));
            }

            Directory.Delete(copy, recursive: true);
        }

        Assert.InRange(missed, flips / 3, flips * chain.Length);
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public void ManyReadWhileOneWritesAndOtherThingsGo()
    {
        using var store = DiskPrefixStore.Open(_folder, Options with { LimitBytes = 1 << 20, SegmentBytes = 60_000 });
        var (found, isOver) = (0, false);
        var readers = Enumerable.Range(0, 3).Select(seed => new Thread(() =>
        {
            var random = new Random(seed);
            while (!Volatile.Read(ref isOver))
            {
                foreach (var chunk in Chain(random.Next(40) * 10_000, 12, 3000))
                    Interlocked.Add(ref found, Has(store, chunk) ? 1 : 0);
            }
        })).ToArray();
        Array.ForEach(readers, static reader => reader.Start());
        for (var i = 0; i < 80; i++)
            Write(store, Chain(i % 40 * 10_000, 12, 3000));
        Volatile.Write(ref isOver, true);
        Array.ForEach(readers, static reader => reader.Join());
        Assert.InRange(store.Figures.Bytes, 1, 1 << 20);
        Assert.Equal((store.Figures.Chunks, 0), store.Verify());
        Assert.Equal(0, store.Figures.WriteErrors);
    }

    private DiskPrefixStore Open() => DiskPrefixStore.Open(_folder, Options);

    // What was being written is there in part, or as nonsense.
    private static void Tear(string folder, Random random)
    {
        foreach (var pattern in new[] { "*.log", "*.seg" })
        {
            if (Directory.GetFiles(folder, pattern, SearchOption.AllDirectories).Order(StringComparer.Ordinal).LastOrDefault() is not { } newest)
                continue;
            var torn = new byte[random.Next(3000)];
            random.NextBytes(torn);
            using var file = new FileStream(newest, FileMode.Append);
            file.Write(torn);
        }
    }

    private static void Copy(string from, string to)
    {
        foreach (var file in Directory.GetFiles(from, "*", SearchOption.AllDirectories).Where(static file => Path.GetFileName(file) != "owner.lock"))
        {
            var copy = Path.Combine(to, Path.GetRelativePath(from, file));
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(file, copy);
        }
    }
}
