using CsCheck;
using Kvasir.Cache;
using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Test.Cache;

/// <summary>
/// Rows that are merged, dropped, taken back and appended in any order are what double precision makes of them, in every format, within the roundings that each
/// has gone through; and whoever has the same pages keeps their bits.
/// </summary>
public sealed class MergedHistoryTest
{
    private const int Dim = 33;
    private const int MaxRows = 330;
    private const int PageRows = PagePool.PageTokens;

    // Of elements between -1 and 1: of rows that were mistaken for each other some of 33 are further apart, but with a chance of 1e-5.
    private const double MostError = 1;

    private enum Act
    {
        Append,
        Merge,
        Drop,
        Truncate,
        Share,
    }

    [Theory]
    [InlineData("f32")]
    [InlineData("bf16")]
    [InlineData("q8")]
    [InlineData("int8")]
    [InlineData("int8-channel")]
    [InlineData("kivi4")]
    [InlineData("kivi2")]
    [InlineData("quantspec")]
    [InlineData("keys=int8,values=kivi4")]
    public void MergedRowsAreWhatDoublePrecisionMakesOfThem(Kv type)
    {
        var act = Gen.Select(Gen.Enum<Act>(), Gen.Int[0, 1 << 20]);
        act.Array[4, 16].Sample(acts => Play(type, acts), iter: 10);
    }

    // Whoever writes a page keeps the rows of one, and some keep the newest: another page is gone on with as it is stored, also at the same place.
    [Theory]
    [InlineData("q8")]
    [InlineData("int8")]
    [InlineData("int8-channel")]
    [InlineData("kivi4")]
    [InlineData("quantspec")]
    [InlineData("keys=int8,values=kivi4")]
    public void APageThatIsTakenBackToIsGoneOnWith(Kv type)
    {
        foreach (var (count, left) in ((int, int)[])[(41, 9), (300, 12), (300, 180), (300, 172), (300, 171), (330, 65), (330, 74), (64, 31)])
        {
            using var cache = new KvCache(type, 1, 1, Dim, 1 << 20);
            var (history, random) = (new History(cache), new Random(count + left));
            history.Append(random, count);
            history.Truncate(left);
            history.Append(random, 1);
            history.Check();
            history.Append(random, 40);
            history.Check();
        }
    }

    // Whether or not they are stored anew behind what has changed.
    [Theory]
    [InlineData("kivi4")]
    [InlineData("kivi2")]
    [InlineData("quantspec")]
    public void TheNewestRowsAreReadAsTheyCameWhenOthersAreMerged(Kv type)
    {
        using var cache = new KvCache(type, 1, 1, Dim, 1 << 20);
        var (history, edit) = (new History(cache), new RowEdit());
        history.Append(new Random(9), 200);
        var (head, first) = (history.Rows.Head(0, 0), history.Rows.Head(0, 0).Keys.FirstNewest);
        var before = Enumerable.Range(0, 200).Select(row => (Read(head.Keys, row), Read(head.Values, row))).ToArray();
        Assert.InRange(first, 0, 72);
        edit.Begin(200);
        edit.Drop(3, 1);
        edit.Merge(3, 2, 0.5f);
        Assert.True(head.TryEdit(edit));
        for (var row = Math.Max(4, first); row < 200; row++)
        {
            Assert.Equal(before[row].Item1, Read(head.Keys, row - 1));
            Assert.Equal(before[row].Item2, Read(head.Values, row - 1));
        }
    }

    private static void Play(KvFormat type, (Act Act, int Seed)[] acts)
    {
        // Two sequences, and not as many pages as both could want.
        var open = type.Keys.OpenBytes(Dim, PageRows) + type.Values.OpenBytes(Dim, PageRows);
        using var cache = new KvCache(type, 1, 1, Dim, (18 * type.Page(Dim, PageRows).Bytes) + (2 * open));
        var (history, reader) = (new History(cache), default(Reader));
        history.Append(new Random(acts.Length), 40 + (acts[0].Seed % 200));
        foreach (var (act, seed) in acts)
        {
            var random = new Random(seed);
            switch (act)
            {
                case Act.Append: history.Append(random, random.Next(1, 70)); break;
                case Act.Merge: history.Edit(random, merges: true); break;
                case Act.Drop: history.Edit(random, merges: false); break;
                case Act.Truncate: history.Truncate(random.Next(2) == 0 ? Math.Max(0, history.Count - random.Next(1, 40)) : random.Next(history.Count + 1)); break;
                case Act.Share when reader is null && history.IsWhole && history.Count >= PageRows: reader = new Reader(cache, history.Rows, history.Count / PageRows); break;
            }

            cache.Pool.Verify();
            history.Check();
            reader?.Check();
        }

        history.Rows.Close();
        reader?.Dispose();
        cache.Pool.Verify();
        Assert.Equal(0, cache.Pool.PagesInUse);
    }

    /// <param name="Of">Rows that it stands for.</param>
    /// <param name="Roundings">At most.</param>
    private sealed record Row(int Position, int Of, double[] Key, double[] Value, int Roundings);

    /// <summary>A head, and what its rows should be.</summary>
    private sealed class History(KvCache cache)
    {
        private readonly RowEdit _edit = new();
        private readonly List<Row> _expected = [];

        public SequenceCache Rows { get; } = cache.Open(MaxRows);

        /// <summary>Tokens so far.</summary>
        public int Count { get; private set; }

        public bool IsWhole => Head.IsWhole;

        private KvHead Head => Rows.Head(0, 0);

        private bool RoundsTogether => Head.SharesRanges;

        public void Append(Random random, int count)
        {
            count = Math.Min(count, MaxRows - Count);
            if (!Rows.TryReserve(Count + count))
                return;
            for (var i = 0; i < count; i++)
            {
                var (key, value) = (Drawn(random), Drawn(random));
                Head.Append(key, value);
                _expected.Add(new Row(Count++, 1, [.. key.Select(static x => (double)x)], [.. value.Select(static x => (double)x)], 1));
            }
        }

        // Rows of a page that has lost its last ones are read back when others come.
        public void Truncate(int count)
        {
            Count = count;
            Rows.Truncate(Count);
            _expected.RemoveAll(row => row.Position >= Count);
            if (RoundsTogether)
                RoundFrom(_expected.Count / PageRows * PageRows);
        }

        public void Edit(Random random, bool merges)
        {
            var count = _expected.Count;
            int[] kept = [.. Kept(random, merges)];
            if (kept.Length == count || kept.Length == 0 || _expected.Max(static row => row.Roundings + 1) * Share > MostError)
                return;
            var gone = Enumerable.Range(0, count).Except(kept).ToArray();
            var pairs = merges ? Pairs(random, gone, kept) : [];
            _edit.Begin(count);
            _edit.KeepOnly(kept);
            foreach (var (row, target, share) in pairs)
                _edit.Merge(row, target, share);
            var before = Bits();
            if (!Head.TryEdit(_edit))
            {
                Assert.Equal(0, _edit.DroppedCount);
                return;
            }

            foreach (var (row, target, share) in pairs)
                _expected[target] = Joined(_expected[row], _expected[target], share);
            var first = pairs.Select(static pair => pair.Target).Append(_edit.Drops[0].First).Min();
            var isAnew = RoundsTogether && (pairs.Length > 0 || _edit.DroppedCount > _edit.DroppedInPages(PageRows));
            // A half of the newest rows may be read as it came again, now that it is one of the newest two.
            if (Head.Format.HalfRows == 0)
                RequireSame(before, isAnew ? first / PageRows * PageRows : Head.Format.Keys.KeepsNewest || Head.Format.Values.KeepsNewest ? 0 : count, pairs);
            if (isAnew)
                RoundFrom(first / PageRows * PageRows);
            foreach (var target in isAnew ? [] : pairs.Select(static pair => pair.Target).Distinct())
                _expected[target] = Rounded(_expected[target]);
            for (var row = count - 1; row >= 0; row--)
            {
                if (!_edit.Keeps(row))
                    _expected.RemoveAt(row);
            }

            Assert.Equal(KvHead.PagesFor(_expected.Count), Head.Pages.Length);
        }

        public void Check()
        {
            Assert.Equal((_expected.Count, Count), (Head.RowCount, Head.NextPosition));
            for (var i = 0; i < _expected.Count; i++)
            {
                var row = _expected[i];
                if ((row.Position, i) != (Head.Position(i), Head.RowAt(row.Position)) || Math.Abs(Math.Log(row.Of) - Head.LogWeight(i)) > 1e-5)
                    Assert.Fail($"row {i} of position {row.Position} and {row.Of} rows says {Head.Position(i)}, {Head.RowAt(row.Position)} and {Head.LogWeight(i)}");
                RequireNear(row.Key, Head.Keys, i, row.Roundings * Share);
                RequireNear(row.Value, Head.Values, i, row.Roundings * Share);
            }
        }

        // Of numbers of at most 1: half a step, what rounding to bf16 before takes, and what floats are off.
        private double Share => (Math.Max(Head.Format.Keys.ErrorShare, Head.Format.Values.ErrorShare) * 1.05) + (RoundsTogether ? 1.0 / 256 : 0) + 1e-5;

        private static float[] Drawn(Random random)
        {
            var elements = new float[Dim];
            for (var i = 0; i < Dim; i++)
                elements[i] = (2 * random.NextSingle()) - 1;
            return elements;
        }

        private static Row Joined(Row row, Row target, float share)
        {
            double[] Mean(double[] own, double[] other) => [.. own.Zip(other, (x, y) => x + (share * (y - x)))];
            return target with
            {
                Of = target.Of + row.Of,
                Key = Mean(target.Key, row.Key),
                Value = Mean(target.Value, row.Value),
                Roundings = Math.Max(row.Roundings, target.Roundings),
            };
        }

        // Single rows here and there, a part of all, or whole pages and more.
        private IEnumerable<int> Kept(Random random, bool merges)
        {
            var count = _expected.Count;
            var (first, length, odds) = (random.Next(Math.Max(1, count)), random.Next(1, 150), random.Next(merges ? 4 : 1, 6));
            return random.Next(2) == 0
                ? Enumerable.Range(0, count).Where(row => row < first || row >= first + length)
                : [.. Enumerable.Range(0, count).Where(_ => random.Next(odds) > 0)];
        }

        // Into neighbours, into any, several into one.
        private static (int Row, int Target, float Share)[] Pairs(Random random, int[] gone, int[] kept)
        {
            var pairs = new List<(int, int, float)>();
            foreach (var row in gone.Where(_ => random.Next(3) > 0))
            {
                var near = Math.Clamp(~Array.BinarySearch(kept, row) - random.Next(2), 0, kept.Length - 1);
                pairs.Add((row, random.Next(4) == 0 ? kept[random.Next(kept.Length)] : kept[near], 0.1f + (0.8f * random.NextSingle())));
            }

            return [.. pairs];
        }

        private void RoundFrom(int first)
        {
            for (var i = first; i < _expected.Count; i++)
                _expected[i] = Rounded(_expected[i]);
        }

        private static Row Rounded(Row row) => row with { Roundings = row.Roundings + 1 };

        private (float[] Key, float[] Value)[] Bits() => [.. Enumerable.Range(0, Head.RowCount).Select(row => (Read(Head.Keys, row), Read(Head.Values, row)))];

        // Rows that stay and nothing was merged into are bit for bit what they were, up to one from which all are stored anew.
        private void RequireSame((float[] Key, float[] Value)[] before, int end, (int Row, int Target, float Share)[] pairs)
        {
            for (var row = 0; row < end; row++)
            {
                if (!_edit.Keeps(row) || pairs.Any(pair => pair.Target == row))
                    continue;
                var after = _edit.KeptBefore(row);
                if (!before[row].Key.AsSpan().SequenceEqual(Read(Head.Keys, after)) || !before[row].Value.AsSpan().SequenceEqual(Read(Head.Values, after)))
                    Assert.Fail($"row {row} was in no merge, and is another now as row {after}");
            }
        }

        private static void RequireNear(double[] expected, PagedRows rows, int row, double error)
        {
            var seen = Read(rows, row);
            for (var i = 0; i < Dim; i++)
            {
                if (!(Math.Abs(expected[i] - seen[i]) <= error))
                    Assert.Fail($"element {i} of row {row} is {seen[i]}, {Math.Abs(expected[i] - seen[i]):0.0000} off {expected[i]}, where {error:0.0000} is allowed");
            }
        }
    }

    private static float[] Read(PagedRows rows, int row)
    {
        var elements = new float[Dim];
        rows.Decode(row, elements);
        return elements;
    }

    /// <summary>Somebody else who begins with the same pages.</summary>
    private sealed class Reader : IDisposable
    {
        private readonly SequenceCache _rows;
        private readonly HeldColumns _columns;
        private readonly float[][] _before;

        public Reader(KvCache cache, SequenceCache source, int columns)
        {
            (_columns, _rows) = (new HeldColumns(source, 1, columns), cache.Open(MaxRows));
            _rows.Adopt(_columns.Columns);
            _before = Bits();
        }

        public void Check()
        {
            var now = Bits();
            for (var i = 0; i < now.Length; i++)
            {
                if (!_before[i].AsSpan().SequenceEqual(now[i]))
                    Assert.Fail($"{(i % 2 == 0 ? "key" : "value")} {i / 2} of somebody else's has changed");
            }
        }

        public void Dispose()
        {
            _rows.Close();
            _columns.Release();
        }

        private float[][] Bits()
        {
            var head = _rows.Head(0, 0);
            return [.. Enumerable.Range(0, head.RowCount).SelectMany(row => new[] { Read(head.Keys, row), Read(head.Values, row) })];
        }
    }
}
