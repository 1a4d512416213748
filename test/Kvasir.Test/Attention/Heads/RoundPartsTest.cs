using Kvasir.Attention;
using Kvasir.Attention.Heads;
using Kvasir.Cache;
using Kvasir.Files;
using Kvasir.Kernels.Attention;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Models.Configs;

namespace Kvasir.Test.Attention.Heads;

public sealed class RoundPartsTest : IDisposable
{
    private const int MaxRows = 8192;
    private static readonly AttentionShape Shape = new(1, 6, 2, 16, null);
    private readonly RoundParts _parts = new(Shape);

    [Theory]
    [InlineData("f32", 0, 3001)]
    [InlineData("f32", 70, 5000)]
    [InlineData("q8", 33, 4242)]
    [InlineData("int8", 33, 4242)]
    public void WhoeverHelpsTheSumIsTheSame(Kv type, int first, int end)
    {
        var random = new Random(end);
        using var cache = new KvCache(type, 1, 1, Shape.Dim, 8 << 20);
        var sequence = cache.Open(end);
        Assert.True(sequence.TryReserve(end));
        var head = new AttentionHead(sequence.Head(0, 0), new Listing(first, end));
        for (var row = 0; row < end; row++)
            head.Rows.Append(Normal(random, Shape.Dim), Normal(random, Shape.Dim));
        var queries = Normal(random, Shape.GroupHeads * Shape.Dim);
        using var owner = new AttentionScratch(Shape, type, MaxRows);
        var alone = Attend();
        // Blocks of 64 rows begin elsewhere in the parts, and where weights are rounded to 16 bits, a block decides what their unit is: 64
        // errors of at most 7.6e-6 times values of about 1, of either sign, in both sums.
        var tolerance = type == KvFormat.Q8 ? Math.Sqrt(64) * 7.6e-6 : 4e-6;
        var whole = Whole();
        for (var i = 0; i < whole.Length; i++)
            Assert.True(Math.Abs(whole[i] - alone[i]) < tolerance, $"at {i}: {whole[i]} and {alone[i]}");

        var helped = 0;
        using var stop = new CancellationTokenSource();
        var helpers = Enumerable.Range(0, 3).Select(_ => new Thread(Help)).ToArray();
        Array.ForEach(helpers, static helper => helper.Start());
        try
        {
            while (Volatile.Read(ref helped) < 20)
                Assert.Equal(alone, Attend());
        }
        finally
        {
            stop.Cancel();
            Array.ForEach(helpers, static helper => helper.Join());
        }

        float[] Attend()
        {
            var counts = default(SelectionCounts);
            return head.Attend(queries, (first, end), default, owner, ref counts).Output.ToArray();
        }

        float[] Whole()
        {
            var sum = owner.Sum(Shape.GroupHeads);
            sum.Reset();
            HeadAttention.AddAll(new HeadQuery(head.Rows, queries, first, end, owner.Selector), sum, owner);
            sum.Finish();
            return sum.Output.ToArray();
        }

        void Help()
        {
            using var own = new AttentionScratch(Shape, type, MaxRows);
            while (!stop.IsCancellationRequested)
            {
                if (owner.Parts.TryHelp(own))
                    Interlocked.Increment(ref helped);
            }
        }
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(2047, 1)]
    [InlineData(2048, 2)]
    [InlineData(100_000, 32)]
    public void HowManyPartsFollowsFromTheRowsAlone(int rows, int expected) => Assert.Equal(expected, _parts.CountFor(rows));

    [Fact]
    public void PartsCoverEveryRowOnceAndDivideNoBlock()
    {
        var random = new Random(6);
        for (var run = 0; run < 200; run++)
        {
            var selection = new KvSelection(1 << 16);
            var unit = random.Next(2) == 0 ? 1 : random.Next(2, 200);
            for (var range = random.Next(4); range > 0; range--)
                selection.AddRange(random.Next(1000), random.Next(3000));
            for (var left = random.Next(6000) / unit; left > 0; left--)
                Add(selection, unit, random.Next(10_000));
            var (count, ranged, next) = (_parts.CountFor(selection.RowCount), selection.RowCount - selection.Rows.Length, 0);
            for (var part = 0; part < count; part++)
            {
                var places = RoundParts.Places(selection, part, count);
                Assert.Equal(next, places.First);
                Assert.True(places.First <= ranged || (places.First - ranged) % unit == 0, $"run {run}: a part begins at {places.First} of {ranged} in ranges, in blocks of {unit}");
                next = places.End;
                AssertPieces(selection, places);
            }

            Assert.Equal(selection.RowCount, next);
        }
    }

    // Of all workers together as much as each could have at best, or half as much again.
    [Theory]
    [InlineData(4, 16)]
    [InlineData(8, 16)]
    [InlineData(2, 16)]
    public void SixteenWorkersHaveAboutTheSameToDo(int kvHeads, int workers)
    {
        var random = new Random(kvHeads);
        using var parts = new RoundParts(new AttentionShape(1, kvHeads, kvHeads, 16, null));
        for (var run = 0; run < 100; run++)
        {
            var selection = new KvSelection(1 << 17);
            var rows = random.Next(workers * 1024 / kvHeads, 1 << 17);
            for (var row = 0; row < rows; row++)
                selection.Add(row);
            var count = parts.CountFor(rows);
            var items = Enumerable.Range(0, count).Select(part => RoundParts.Places(selection, part, count)).Select(static places => places.End - places.First).ToArray();
            Assert.True(count * kvHeads >= workers, $"{rows} rows: {count} parts of {kvHeads} heads leave some of {workers} workers idle");
            Assert.True(items.Max() <= 1.5 * items.Average(), $"{rows} rows: the longest of {count} parts has {items.Max()}");
        }
    }

    [Fact]
    public void AFaultOfWhoeverAttendsIsTheOwners()
    {
        using var cache = new KvCache(KvFormat.F32, 1, 1, Shape.Dim, 8 << 20);
        var sequence = cache.Open(4096);
        Assert.True(sequence.TryReserve(4096));
        var head = sequence.Head(0, 0);
        for (var row = 0; row < 4096; row++)
            head.Append(new float[Shape.Dim], new float[Shape.Dim]);
        using var owner = new AttentionScratch(Shape, KvFormat.F32, MaxRows);
        var counts = default(SelectionCounts);
        var listing = new Listing(0, 4096) { ThrowsAt = 3000 };
        Assert.Throws<InvalidTimeZoneException>(() => { new AttentionHead(head, listing).Attend(new float[Shape.GroupHeads * Shape.Dim], (0, 4096), default, owner, ref counts); });
        // Nothing of it is left to be helped with, and the next round is as any other.
        Assert.False(owner.Parts.TryHelp(owner));
        listing.ThrowsAt = null;
        Assert.Equal(Shape.GroupHeads * Shape.Dim, new AttentionHead(head, listing).Attend(new float[Shape.GroupHeads * Shape.Dim], (0, 4096), default, owner, ref counts).Output.Length);
    }

    public void Dispose() => _parts.Dispose();

    private static void AssertPieces(KvSelection selection, (int First, int End) places)
    {
        var all = selection.Ranges.ToArray().SelectMany(static range => Enumerable.Range(range.First, range.Count)).Concat(selection.Rows.ToArray()).ToArray();
        var rows = new SelectedRows(selection, places);
        var at = places.First;
        while (rows.MoveNext(300))
        {
            Assert.InRange(rows.Piece.Count, 1, 300);
            Assert.Equal(rows.Piece.IsRange ? 0 : at - (selection.RowCount - selection.Rows.Length), rows.Listed);
            for (var i = 0; i < rows.Piece.Count; i++)
                Assert.Equal(all[at++], rows.Piece[i]);
        }

        Assert.Equal(places.End, at);
    }

    private static void Add(KvSelection selection, int unit, int row)
    {
        if (unit == 1)
            selection.Add(row);
        else
            selection.AddBlock(row, unit);
    }

    private static float[] Normal(Random random, int count) => AttentionCase.Normal(random, count);

    /// <summary>The first half of the rows as a range, every other row of the rest as a list in any order, and the others in a second round.</summary>
    private sealed class Listing(int first, int end) : Selector
    {
        public int? ThrowsAt { get; set; }

        public override bool Select(in HeadQuery query, int round, in SoftmaxView sum, KvSelection selection)
        {
            var half = (first + end) / 2;
            if (round == 0)
                selection.AddRange(first, half - first);
            for (var row = end - 1 - round; row >= half; row -= 2)
                selection.Add(row);
            return round < 2;
        }

        public override void Reweight(in RowSet rows, int listed, Span<float> scores, int stride)
        {
            for (var i = 0; i < rows.Count; i++)
            {
                if (rows[i] == ThrowsAt)
                    throw new InvalidTimeZoneException();
            }
        }
    }
}
