using Kvasir.Attention;
using Kvasir.Attention.Policies;
using Kvasir.Cache;
using Kvasir.Kernels.Attention;
using Kvasir.Models;

namespace Kvasir.Test.Attention;

public sealed class DecodePartsTest
{
    private static readonly AttentionShape Shape = new(1, 6, 2, 16, null);

    [Theory]
    [InlineData(KvType.F32, 0, 2049)]
    [InlineData(KvType.F32, 70, 5000)]
    [InlineData(KvType.Q8, 33, 4242)]
    [InlineData(KvType.Int8, 33, 4242)]
    public void PartsInAnyOrderEqualOneWorkersSum(KvType type, int first, int end)
    {
        var random = new Random(end);
        using var cache = new KvCache(type, 1, 1, Shape.Dim, 8 << 20);
        var sequence = cache.Open(end);
        Assert.True(sequence.TryReserve(end));
        var head = sequence.Head(0, 0);
        for (var row = 0; row < end; row++)
            head.Append(Normal(random, Shape.Dim), Normal(random, Shape.Dim));
        var queries = Normal(random, Shape.GroupHeads * Shape.Dim);
        using var scratch = new AttentionScratch(Shape, type, end);
        using var parts = new DecodeParts(Shape, maxSegments: 2);
        var selector = PolicyCatalog.Dense.CreateSelector(new HeadPlace(0, 1, 0, Shape.GroupHeads, Shape.Dim, end));
        var whole = HeadAttention.Decode(new AttentionHead(head, selector), queries, (first, end), observes: false, scratch).Output.ToArray();

        var partCount = parts.CountFor(end - first);
        Assert.InRange(partCount, 2, 4);
        int[] inOrder = [.. Enumerable.Range(0, partCount)];
        var joined = Join(inOrder);
        // Blocks of 64 rows begin elsewhere in the parts, and where weights are rounded to 16 bits, a block decides what their unit is: 64
        // errors of at most 7.6e-6 times values of about 1, of either sign, in both sums.
        var tolerance = type == KvType.Q8 ? Math.Sqrt(64) * 7.6e-6 : 4e-6;
        for (var i = 0; i < whole.Length; i++)
            Assert.True(Math.Abs(whole[i] - joined[i]) < tolerance, $"at {i}: {whole[i]} and {joined[i]}");
        Assert.Equal(joined, Join([.. inOrder.Reverse()]));

        float[] Join(int[] order)
        {
            const int Head = 3;
            parts.Begin(Head, partCount);
            foreach (var part in order)
            {
                var sum = parts.Sum(Head, part);
                sum.Reset();
                HeadAttention.AddRange(new AttentionHead(head, selector), queries, DecodeParts.Rows((first, end), part, partCount), sum, scratch);
                Assert.Equal(part == order[^1], parts.EndsWith(Head, partCount));
            }

            var all = parts.Sum(Head, 0);
            all.Finish();
            return all.Output.ToArray();
        }
    }

    [Theory]
    [InlineData(0, 1, 1)]
    [InlineData(5, 2053, 2)]
    [InlineData(0, 100_000, 32)]
    public void PartsCoverEveryRowOnce(int first, int end, int expectedCount)
    {
        using var parts = new DecodeParts(Shape, maxSegments: 1);
        var count = parts.CountFor(end - first);
        Assert.Equal(expectedCount, count);
        var next = first;
        for (var part = 0; part < count; part++)
        {
            var rows = DecodeParts.Rows((first, end), part, count);
            Assert.Equal(next, rows.First);
            Assert.True(rows.End > rows.First);
            next = rows.End;
        }

        Assert.Equal(end, next);
    }

    private static float[] Normal(Random random, int count) => Kernels.Attention.AttentionCase.Normal(random, count);
}
