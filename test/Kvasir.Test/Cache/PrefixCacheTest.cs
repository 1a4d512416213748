using CsCheck;
using Kvasir.Cache;
using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Test.Cache;

/// <summary>The tree of columns by itself: what is found, what goes, and in which order, held to plain lists.</summary>
public sealed class PrefixCacheTest
{
    private const int Rows = PagePool.PageTokens;
    private const int Dim = 4;
    private const int Heads = 3;
    private const int MostColumns = 6;
    private const int MostKept = 7;
    private static readonly ColumnName Root = ColumnName.Root("model", "dense", "", "");

    private enum Act
    {
        Enter,
        Grow,
        Leave,
        LeaveFaulty,
        Wait,
        Evict,
        Clear,
    }

    [Fact]
    public void ANameIsOfAllTokensBeforeItAndOfTheRootAndIsTheSameEverywhere()
    {
        var (tokens, others) = (Tokens(1), Tokens(2));
        Assert.Equal(Root.Next(tokens).Next(others), ColumnName.Root("model", "dense", "", "").Next(tokens).Next(others));
        ColumnName[] all =
        [
            Root.Next(tokens), Root.Next(others), Root.Next(tokens).Next(tokens), Root.Next(others).Next(tokens),
            .. ((string[])["", "a", "b"]).SelectMany(static tenant => ((string[])["", "a", "ab"]).Select(salt => ColumnName.Root("model", "dense", tenant, salt).Next(Tokens(1)))).Skip(1),
            ColumnName.Root("other", "dense", "", "").Next(tokens), ColumnName.Root("model", "psa", "", "").Next(tokens),
            ColumnName.Root("model", "dense", "ab", "").Next(tokens),
        ];
        Assert.Equal(all.Length, all.Distinct().Count());
        // Of SHA-256 over the root's name and 32 numbers of four bytes: computed by another program.
        Assert.Equal(0xc1fdfd3a5f852b37, Root.Next(tokens).First);
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public void WhateverComesAndGoesIsFoundAndEvictedAsInPlainLists()
    {
        var act = Gen.Select(Gen.Enum<Act>(), Gen.Int[0, 3], Gen.Int[0, 9999]);
        act.Array[1, 120].Sample(Play, iter: 300);
    }

    // Of four sequences, each with tokens that are drawn so that they often begin alike.
    private static void Play((Act Act, int Who, int Number)[] acts)
    {
        using var cache = new KvCache(KvFormat.F32, 1, Heads, Dim, (Heads * 40 * KvFormat.F32.Page(Dim, Rows).Bytes) + 1);
        var (players, model) = (new Player?[4], new List<Known>());
        var (clock, nowMs) = (0, 0L);
        cache.Prefixes.Bound(MostKept * cache.Prefixes.ColumnBytes);
        foreach (var (act, who, number) in acts)
        {
            var player = players[who];
            nowMs += act == Act.Wait ? 1000 * (number % 5) : 0;
            cache.Prefixes.Sweep(nowMs);
            Drop(model.Where(known => known.KeptUntilMs <= nowMs));
            switch (act)
            {
                case Act.Enter when player is null:
                    player = players[who] = new Player(cache, number, clock);
                    var known = Enumerable.Range(1, player.MostFound).TakeWhile(columns => model.Exists(other => other.Is(player.Tokens, columns))).Count();
                    Assert.Equal((known, known), (player.Path.Count, player.Path.FoundCount));
                    Renew(model.Where(other => other.Columns <= known && other.Is(player.Tokens, other.Columns)), nowMs);
                    break;
                case Act.Grow when player is not null && player.Path.Count < MostColumns:
                    player.Grow(cache);
                    Renew(model.Where(known => known.Is(player.Tokens, player.Path.Count)), nowMs);
                    if (!model.Exists(known => known.Is(player.Tokens, player.Path.Count)))
                        model.Add(new Known(player.Tokens[..player.Path.RowCount]));
                    break;
                case Act.Leave or Act.LeaveFaulty when player is not null:
                    clock++;
                    nowMs += 1000;
                    cache.Prefixes.Sweep(nowMs);
                    Drop(model.Where(kept => kept.KeptUntilMs <= nowMs));
                    foreach (var used in model.Where(used => used.Is(player.Tokens, used.Columns) && used.Columns <= player.Path.Count))
                        used.LastUse = clock;
                    var (faulty, found, count) = (act == Act.LeaveFaulty, player.Path.FoundCount, player.Path.Count);
                    player.Leave(cache, faulty);
                    players[who] = null;
                    foreach (var keep in faulty ? [] : player.Keeps)
                        Keep(model, model.Where(kept => kept.Columns <= Math.Min(count, keep.Tokens / Rows) && kept.Is(player.Tokens, kept.Columns)), (long)keep.Time.TotalMilliseconds, nowMs, player.Path.Tenant);
                    if (faulty)
                        Forget(model, players, player.Tokens, (found, count));
                    break;
                case Act.Evict:
                    if (Oldest(model, players) is { } oldest)
                        model.Remove(oldest);
                    Assert.True(cache.Prefixes.IdlePages == 0 || cache.Prefixes.TryEvict(1));
                    break;
                case Act.Clear:
                    cache.Prefixes.Clear();
                    while (Oldest(model, players) is { } next)
                        model.Remove(next);
                    break;
            }

            Check(cache, model, players);
        }
    }

    private static void Check(KvCache cache, List<Known> model, Player?[] players)
    {
        cache.Pool.Verify();
        cache.Prefixes.Verify();
        var idle = model.Count(known => !IsUsed(known, players));
        Assert.Equal((model.Count * Rows, idle * Rows), ((int)cache.Prefixes.Figures.Tokens, (int)cache.Prefixes.Figures.IdleTokens));
        Assert.Equal(model.Count(static known => known.KeptUntilMs is not null) * Rows, (int)cache.Prefixes.Figures.KeptTokens);
        Assert.InRange((int)cache.Prefixes.Figures.KeptTokens, 0, MostKept * Rows);
        // Each column's pages are counted once, however many have it.
        Assert.Equal(model.Count * Heads, cache.Pool.PagesInUse);
    }

    private static bool IsUsed(Known known, Player?[] players) =>
        players.Any(player => player is not null && known.Columns <= player.Path.Count && known.Is(player.Tokens, known.Columns));

    private static Known? Oldest(List<Known> model, Player?[] players) =>
        model.Where(known => !IsUsed(known, players) && !model.Exists(other => other.Columns == known.Columns + 1 && known.Is(other.Tokens, known.Columns)))
            .MinBy(static known => (known.KeptUntilMs is not null, known.LastUse));

    private static void Renew(IEnumerable<Known> found, long nowMs)
    {
        foreach (var known in found.Where(static known => known.KeptUntilMs is not null))
            known.KeptUntilMs = nowMs + known.KeptForMs;
    }

    private static void Keep(List<Known> model, IEnumerable<Known> columns, long ms, long nowMs, string tenant)
    {
        foreach (var column in columns)
            (column.KeptForMs, column.KeptUntilMs, column.KeptFor) =
                (Math.Max(ms, column.KeptUntilMs is null ? 0 : column.KeptForMs), Math.Max(nowMs + ms, column.KeptUntilMs ?? 0), tenant);
        // Whoever keeps most gives, and of equals the one that asks.
        while (model.Where(static known => known.KeptUntilMs is not null).ToArray() is { Length: > MostKept } kept)
            Drop([kept.GroupBy(static known => known.KeptFor).MaxBy(own => (own.Count(), own.Key == tenant))!.MinBy(static known => (known.KeptUntilMs, -known.Columns))!]);
    }

    private static void Drop(IEnumerable<Known> columns)
    {
        foreach (var column in columns.ToArray())
            column.KeptUntilMs = null;
    }

    private static void Forget(List<Known> model, Player?[] players, int[] tokens, (int Found, int Count) path)
    {
        for (var columns = path.Count; columns > path.Found; columns--)
        {
            var own = model.Find(known => known.Is(tokens, columns) && known.Columns == columns);
            if (own is null || IsUsed(own, players) || model.Exists(other => other.Columns == columns + 1 && own.Is(other.Tokens, columns)))
                continue;
            model.Remove(own);
        }
    }

    private static int[] Tokens(int seed) => [.. Enumerable.Range(0, Rows).Select(i => (seed * 1000) + i)];

    private sealed class Known(int[] tokens)
    {
        public int[] Tokens => tokens;

        public int Columns => tokens.Length / Rows;

        public int LastUse { get; set; }

        public long KeptForMs { get; set; }

        public string KeptFor { get; set; } = "";

        // Null where it is not kept for a time.
        public long? KeptUntilMs { get; set; }

        public bool Is(int[] others, int columns) => Columns == columns && tokens.AsSpan().SequenceEqual(others.AsSpan(0, columns * Rows));
    }

    private sealed class Player
    {
        private readonly SequenceCache _rows;

        public Player(KvCache cache, int number, int serial)
        {
            // A choice of two for each column, in three digits of the number.
            Tokens = [.. Enumerable.Range(0, MostColumns).SelectMany(column => PrefixCacheTest.Tokens((number >> (column / 2)) & 1))];
            MostFound = Math.Min(number % (MostColumns + 1), MostColumns);
            // Some keep a beginning, some two, for times that are never over at the same moment.
            Keeps = [.. Enumerable.Range(0, number % 3).Select(i => new KeptPrefix(1 + (Rows * (1 + ((number + (3 * i)) % MostColumns))), TimeSpan.FromMilliseconds((2000 * (1 + (number % 4))) + serial)))];
            Path = new PrefixPath(cache.Prefixes, Root) { Keeps = Keeps, Tenant = number / 7 % 2 == 0 ? "a" : "b" };
            Path.Enter(Tokens, (MostFound * Rows) + 5, Tokens.Length);
            _rows = cache.Open(Tokens.Length);
            _rows.Adopt(Path.Columns);
        }

        public int[] Tokens { get; }

        public int MostFound { get; }

        public KeptPrefix[] Keeps { get; }

        public PrefixPath Path { get; }

        // Computes the rows of a column, and leaves them to others.
        public void Grow(KvCache cache)
        {
            var end = Path.RowCount + Rows;
            Assert.True(_rows.TryReserve(end));
            for (var head = 0; head < Heads; head++)
            {
                for (var row = Path.RowCount; row < end; row++)
                    _rows.Head(0, head).Append(new float[Dim], new float[Dim]);
            }

            cache.Prefixes.Add(Path, _rows, Tokens, end);
        }

        public void Leave(KvCache cache, bool isFaulty)
        {
            _rows.Close();
            cache.Prefixes.Leave(Path, isFaulty);
        }
    }
}
