using CsCheck;
using Kvasir.Cache;
using Kvasir.Kernels.Attention;

namespace Kvasir.Test.Cache;

/// <summary>Sequences that come, grow, shrink and share rows in any order hold what plain arrays hold, and the pool balances after each step.</summary>
public sealed class RowHistoryTest
{
    private const int Dim = 4;
    private const int MaxRows = 200;
    private const int Heads = 2;

    private enum Act
    {
        Append,
        Truncate,
        Share,
        Adopt,
        Release,
        Close,
    }

    [Fact]
    public void EverySequenceHoldsItsOwnRowsWhateverOthersDo()
    {
        var act = Gen.Select(Gen.Enum<Act>(), Gen.Int[0, 3], Gen.Int[0, 90]);
        act.Array[1, 60].Sample(Play, iter: 300);
    }

    // Each act is of one of four sequences, with a number that means rows.
    private static void Play((Act Act, int Who, int Rows)[] acts)
    {
        using var cache = new KvCache(KvType.F32, 1, Heads, Dim, 60 * PageBytes());
        var (sequences, shared) = (new History[4], new List<(SharedRows Rows, float[] Expected)>());
        for (var i = 0; i < sequences.Length; i++)
            sequences[i] = new History(cache);
        foreach (var (act, who, rows) in acts)
        {
            var sequence = sequences[who];
            switch (act)
            {
                case Act.Append: sequence.Append(rows); break;
                case Act.Truncate: sequence.Truncate(rows); break;
                case Act.Close: sequences[who] = sequence.Reopened(cache); break;
                case Act.Share when sequence.RowCount > 0: shared.Add(sequence.Share(Math.Max(1, rows % sequence.RowCount))); break;
                case Act.Adopt when shared.Count > 0 && sequence.RowCount == 0: sequence.Adopt(shared[rows % shared.Count]); break;
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

    private static void RequireEachPageCountedOnce(PagePool pool, History[] sequences, List<(SharedRows Rows, float[] Expected)> shared)
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

    private static long PageBytes() => 2 * PagePool.PageTokens * KvCodecs.RowBytes(KvType.F32, Dim);

    /// <summary>A sequence, and the first element of each of its keys, which no two rows that were ever written share.</summary>
    private sealed class History(KvCache cache)
    {
        private static int _written;
        private readonly SequenceCache _rows = cache.Open(MaxRows);
        private readonly List<float> _expected = [];

        public int RowCount => _expected.Count;

        public KvHead Head(int head) => _rows.Head(0, head);

        public void Append(int count)
        {
            count = Math.Min(count, MaxRows - RowCount);
            var (missing, left) = (_rows.PagesMissing(RowCount + count), cache.Pool.PagesLeft);
            Assert.Equal(missing <= left, _rows.TryReserve(RowCount + count));
            if (missing > left)
                return;
            Assert.Equal(left - missing, cache.Pool.PagesLeft);
            for (var i = 0; i < count; i++)
            {
                var written = (float)Interlocked.Increment(ref _written);
                for (var head = 0; head < Heads; head++)
                    Head(head).Append([written, head, 0, 0], [-written, head, 0, 0]);
                _expected.Add(written);
            }
        }

        public void Truncate(int rows)
        {
            _rows.Truncate(rows);
            if (rows < RowCount)
                _expected.RemoveRange(rows, RowCount - rows);
        }

        public (SharedRows Rows, float[] Expected) Share(int rows) => (_rows.Share(rows), [.. _expected.Take(rows)]);

        public void Adopt((SharedRows Rows, float[] Expected) shared)
        {
            _rows.Truncate(0);
            _rows.Adopt(shared.Rows);
            _expected.AddRange(shared.Expected);
        }

        public void Close() => _rows.Close();

        public History Reopened(KvCache anew)
        {
            Close();
            return new History(anew);
        }

        public void Check()
        {
            Span<float> row = stackalloc float[Dim];
            for (var head = 0; head < Heads; head++)
            {
                Assert.Equal(RowCount, Head(head).RowCount);
                for (var i = 0; i < RowCount; i++)
                {
                    Head(head).Keys.Decode(i, row);
                    Assert.Equal((_expected[i], head), (row[0], row[1]));
                    Head(head).Values.Decode(i, row);
                    Assert.Equal((-_expected[i], head), (row[0], row[1]));
                }
            }
        }
    }
}
