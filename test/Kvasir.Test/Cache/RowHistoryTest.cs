using CsCheck;
using Kvasir.Cache;
using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Test.Cache;

/// <summary>Sequences that come, grow, shrink, drop and share rows in any order hold what plain arrays hold, and the pool balances after each step.</summary>
public sealed class RowHistoryTest
{
    private const int Dim = 4;
    private const int MaxRows = 200;
    private const int Heads = 2;

    private enum Act
    {
        Append,
        Truncate,
        Drop,
        Share,
        Adopt,
        Release,
        Close,
    }

    [Theory]
    [Trait("Needs", "Minutes")]
    [InlineData("f32")]
    [InlineData("bf16")]
    [InlineData("q8")]
    [InlineData("keys=q8,values=bf16")]
    public void EverySequenceHoldsItsOwnRowsWhateverOthersDo(Kv type)
    {
        var act = Gen.Select(Gen.Enum<Act>(), Gen.Int[0, 3], Gen.Int[0, 90]);
        act.Array[1, 60].Sample(acts => Play(type, acts), iter: 150);
    }

    // Each act is of one of four sequences, with a number that means rows, or a pattern of them.
    private static void Play(KvFormat type, (Act Act, int Who, int Rows)[] acts)
    {
        using var cache = new KvCache(type, 1, Heads, Dim, 60 * type.Page(Dim, PagePool.PageTokens).Bytes);
        var (sequences, shared) = (new History[4], new List<(HeldColumns Rows, Row[][] Expected)>());
        for (var i = 0; i < sequences.Length; i++)
            sequences[i] = new History(cache);
        foreach (var (act, who, rows) in acts)
        {
            var sequence = sequences[who];
            switch (act)
            {
                case Act.Append: sequence.Append(rows); break;
                case Act.Truncate: sequence.Truncate(rows); break;
                case Act.Drop: sequence.Drop(rows); break;
                case Act.Close: sequences[who] = sequence.Reopened(cache); break;
                case Act.Share when sequence.IsWhole && sequence.Count >= PagePool.PageTokens: shared.Add(sequence.Share(1 + (rows % (sequence.Count / PagePool.PageTokens)))); break;
                case Act.Adopt when shared.Count > 0 && sequence.Count == 0: sequence.Adopt(shared[rows % shared.Count]); break;
                case Act.Release when shared.Count > 0:
                    shared[rows % shared.Count].Rows.Release();
                    shared.RemoveAt(rows % shared.Count);
                    break;
            }

            cache.Pool.Verify();
            foreach (var one in sequences)
                one.Check();
            RequireEachPageCountedOnce(cache.Pool, sequences, shared);
        }

        foreach (var sequence in sequences)
            sequence.Close();
        shared.ForEach(static one => one.Rows.Release());
        cache.Pool.Verify();
        Assert.Equal((0, 0L), (cache.Pool.PagesInUse, cache.Pool.OwnerCount));
    }

    private static void RequireEachPageCountedOnce(PagePool pool, History[] sequences, List<(HeldColumns Rows, Row[][] Expected)> shared)
    {
        var pages = new List<int>();
        for (var head = 0; head < Heads; head++)
        {
            foreach (var sequence in sequences)
                pages.AddRange(sequence.Head(head).Pages);
            foreach (var (rows, _) in shared)
                pages.AddRange(rows.Pages(head));
        }

        Assert.Equal((pages.Distinct().Count(), pages.Count), (pool.PagesInUse, pool.OwnerCount));
    }

    private sealed record Row(int Position, float[] Key, float[] Value);

    /// <summary>A sequence, and the rows that it should have, of each head. No two rows that are ever written are alike.</summary>
    private sealed class History(KvCache cache)
    {
        private static int _written;
        private readonly SequenceCache _rows = cache.Open(MaxRows);
        private readonly List<Row>[] _expected = [[], []];
        private readonly RowEdit _edit = new();
        private int _dropCount;

        /// <summary>Tokens so far.</summary>
        public int Count { get; private set; }

        public bool IsWhole => _dropCount == 0;

        public KvHead Head(int head) => _rows.Head(0, head);

        public void Append(int count)
        {
            count = Math.Min(count, MaxRows - Count);
            var (missing, left) = (_rows.PagesMissing(Count + count), cache.Pool.PagesLeft);
            Assert.Equal(missing <= left, _rows.TryReserve(Count + count));
            if (missing > left)
                return;
            Assert.Equal(left - missing, cache.Pool.PagesLeft);
            for (var i = 0; i < count; i++)
            {
                var written = Interlocked.Increment(ref _written);
                for (var head = 0; head < Heads; head++)
                    Append(head, [written, written % 17, head, 1], [-written, head, written % 13, 2]);
                Count++;
            }
        }

        public void Truncate(int rows)
        {
            _rows.Truncate(rows);
            Count = Math.Min(Count, rows);
            foreach (var head in _expected)
                head.RemoveAll(row => row.Position >= rows);
            _dropCount = rows == 0 ? 0 : _dropCount;
        }

        // Other rows in each head.
        public void Drop(int pattern)
        {
            for (var head = 0; head < Heads; head++)
            {
                var (expected, random) = (_expected[head], new Random(pattern + head));
                var (first, count, period, kept) = (random.Next(40), random.Next(120), random.Next(1, 70), random.Next(1, 40));
                int[] stays = [.. Enumerable.Range(0, expected.Count).Where(row => row < first || row >= first + count || row % period >= kept)];
                _edit.Begin(expected.Count);
                _edit.KeepOnly(stays);
                var dropped = _edit.DroppedCount;
                if (!Head(head).TryEdit(_edit))
                {
                    Assert.Equal(0, _edit.DroppedCount);
                    continue;
                }

                Assert.Equal(expected.Count - stays.Length, dropped);
                Assert.All(Enumerable.Range(0, expected.Count), row => Assert.Equal(stays.Contains(row), _edit.Keeps(row)));
                _expected[head] = [.. stays.Select(row => expected[row])];
                _dropCount++;
                Assert.True(Head(head).Pages.Length <= KvHead.PagesFor(stays.Length));
            }
        }

        public (HeldColumns Rows, Row[][] Expected) Share(int columns) =>
            (new HeldColumns(_rows, 1, columns), [.. _expected.Select(head => head[..(columns * PagePool.PageTokens)].ToArray())]);

        public void Adopt((HeldColumns Rows, Row[][] Expected) shared)
        {
            _rows.Truncate(0);
            _rows.Adopt(shared.Rows.Columns);
            for (var head = 0; head < Heads; head++)
                _expected[head].AddRange(shared.Expected[head]);
            Count = shared.Rows.RowCount;
        }

        public void Close() => _rows.Close();

        public History Reopened(KvCache anew)
        {
            Close();
            return new History(anew);
        }

        public void Check()
        {
            for (var head = 0; head < Heads; head++)
            {
                Assert.Equal((_expected[head].Count, Count), (Head(head).RowCount, Head(head).NextPosition));
                for (var i = 0; i < _expected[head].Count; i++)
                {
                    var (expected, found) = (_expected[head][i], Read(head, i));
                    if (expected.Position != found.Position || !expected.Key.AsSpan().SequenceEqual(found.Key) || !expected.Value.AsSpan().SequenceEqual(found.Value))
                        Assert.Fail($"row {i} of head {head} is {Text(found)} instead of {Text(expected)}");
                    if (Head(head).RowAt(expected.Position) != i)
                        Assert.Fail($"position {expected.Position} of head {head} is said to be in row {Head(head).RowAt(expected.Position)}, and is in {i}");
                }
            }
        }

        private static string Text(Row row) => $"{row.Position}: {string.Join(' ', row.Key)}, {string.Join(' ', row.Value)}";

        // As it is stored, which may be rounded.
        private void Append(int head, float[] key, float[] value)
        {
            Head(head).Append(key, value);
            var row = Read(head, Head(head).RowCount - 1);
            Assert.Equal(key[0], row.Key[0], 0.01f * key[0]);
            _expected[head].Add(row);
        }

        private Row Read(int head, int row)
        {
            var (key, value) = (new float[Dim], new float[Dim]);
            Head(head).Keys.Decode(row, key);
            Head(head).Values.Decode(row, value);
            return new Row(Head(head).Position(row), key, value);
        }
    }
}
