using System.Numerics;
using Kvasir.Kernels.Hashing;

namespace Kvasir.Test.Kernels.Hashing;

public sealed class FoundRowsTest
{
    [Theory]
    [InlineData(1, 1, 0, 64)]
    [InlineData(3, 4, 5, 5)]
    [InlineData(5, 4, -70, 1000)]
    [InlineData(5, 7, 64, 256)]
    [InlineData(5, 3, 63, 257)]
    [InlineData(9, 8, 130, 575)]
    public void RowsAreListedOnceAndKeepWhoFoundThem(int words, int queries, int first, int end)
    {
        const int Stride = 12, Before = 37;
        for (var seed = 0; seed < 20; seed++)
        {
            var random = new Random(seed);
            var marks = new ulong[(queries - 1) * Stride + words];
            for (var i = 0; i < marks.Length; i++)
                marks[i] = (ulong)random.NextInt64() & (ulong)random.NextInt64() & (ulong)random.NextInt64();
            var expected = new List<(int Row, int[] Who)>();
            for (var row = Math.Max(0, first); row < Math.Min(end, words * 64); row++)
            {
                int[] who = [.. Enumerable.Range(0, queries).Where(query => (marks[query * Stride + row / 64] >> (row % 64) & 1) != 0)];
                if (who.Length > 0)
                    expected.Add((row, who));
            }

            var any = new ulong[words];
            Assert.Equal(expected.Count, FoundRows.Unite(marks, Stride, first, end, any));
            Assert.Equal(expected.Select(static found => found.Row), Rows(any));
            for (var query = 0; query < queries; query++)
            {
                var bits = new ulong[(Before + words * 64 + 63) / 64];
                FoundRows.AppendBits(marks.AsSpan(query * Stride, words), any, bits, Before);
                Assert.Equal(Enumerable.Range(0, expected.Count).Where(i => expected[i].Who.Contains(query)), Rows(bits).Select(static bit => bit - Before));
            }
        }
    }

    private static IEnumerable<int> Rows(ulong[] words)
    {
        for (var word = 0; word < words.Length; word++)
        {
            for (var left = words[word]; left != 0; left &= left - 1)
                yield return word * 64 + BitOperations.TrailingZeroCount(left);
        }
    }
}
