using Kvasir.Attention;
using Kvasir.Attention.Policies;
using Kvasir.Kernels.Attention;

namespace Kvasir.Test.Attention.Policies;

/// <summary>Sparse window attention against the paper's worked example (ALISA, Fig. 6) and plain loops.</summary>
public sealed class AlisaTest
{
    [Theory]
    [InlineData("two-k", "window", 1)]
    [InlineData("k", "window", 2)]
    [InlineData("two-k", "decayed", 1)]
    [InlineData("k", "decayed", 2)]
    public void TheWorkedExampleOfThePaper(string scoreRows, string sum, int expected)
    {
        // Figure 6: five rows, of which 0.4 are read; the figure sums two rows of weights, the algorithm one.
        using var rows = new LoneHead(new HeadPlace(0, 1, 0, 1, 8, 64), rowCount: 6, seed: 1);
        using var selector = PolicyCatalog.Parse($"alisa:ratio=0.4,scoring=literal,score-rows={scoreRows},sum={sum},min-context=0").CreateSelector(new HeadPlace(0, 1, 0, 1, 8, 64));
        selector.Append(rows.Head, 0, 6);
        selector.Observe(3, new RowSet(0, 4), [.2f, .4f, .1f, .3f], 4);
        selector.Observe(4, new RowSet(0, 5), [.05f, .15f, .25f, .15f, .4f], 5);
        rows.Attend(selector);
        // The newest, the one with most attention, and the query's own.
        Assert.Equal([expected, 4, 5], rows.LastRead.Order());
    }

    [Theory]
    [InlineData("window")]
    [InlineData("decayed")]
    public void ByDefaultTwiceHalfTheRatioAndTheOwnRowAreRead(string sum)
    {
        var place = new HeadPlace(0, 1, 0, 3, 8, 2048);
        using var rows = new LoneHead(place, rowCount: 1001, seed: 2);
        using var selector = PolicyCatalog.Parse($"alisa:sum={sum},min-context=0").CreateSelector(place);
        selector.Append(rows.Head, 0, 1001);
        rows.Attend(selector);
        Assert.Equal(201, rows.LastRead.Count);
        Assert.Equal(Enumerable.Range(900, 101), rows.LastRead.Where(static row => row >= 900).Order());
    }

    [Fact]
    public void LiterallyARowThatIsNotReadForAWholeWindowNeverComesBack()
    {
        var reads = Trace("literal", steps: 120, seed: 4);
        var lastRead = new Dictionary<int, int>();
        var unread = 0;
        foreach (var (position, rows) in reads)
        {
            foreach (var row in rows)
            {
                var window = (int)Math.Round(position * 0.1, MidpointRounding.AwayFromZero);
                Assert.True(position - lastRead.GetValueOrDefault(row, position) <= window + 1, $"row {row} came back at {position}");
                lastRead[row] = position;
            }

            unread = position + 1 - lastRead.Count;
        }

        // Some were never read at all, or this test shows nothing.
        Assert.True(unread > 0);
    }

    // What a question asks for is among the rows that its last tokens read; 0.2 of 700 are 140, and 140 of 860.
    [Theory]
    [InlineData("f32", 0.2, "")]
    [InlineData("bf16", 0.1, ",sinks=3,recent=20")]
    [InlineData("q8", 0.3, ",score-rows=two-k")]
    public void WhatIsDroppedWouldNeverHaveBeenRead(string format, double ratio, string more)
    {
        using var model = Generation.LoadStories();
        var prompt = model.Tokenizer.Encode(string.Concat(Enumerable.Repeat("Tom and Lily went to the big park to play with a red ball. ", 60)))[..700];
        var policy = FormattableString.Invariant($"alisa:ratio={ratio},scoring=literal,min-context=0,observed=32{more}");
        var options = new EngineOptions { Threads = 1, Kv = new Kv(format), KvMemoryBytes = 64 << 20, BatchTokens = 1024, ContextTokens = 1024 };
        using var engine = new Engine(model, options);
        var kept = new Sequence(prompt, Generation.Greedy(160) with { Attention = PolicyCatalog.Parse(policy) });
        var dropped = new Sequence(prompt, Generation.Greedy(160) with { Attention = PolicyCatalog.Parse(policy + ",drop=spent") });
        var (all, left) = (MostBytes(kept), MostBytes(dropped));
        var (expected, answer) = (Generation.Read(kept), Generation.Read(dropped));
        // Rows that moved lie otherwise in their pages, and sums are added in another order.
        expected.AssertEquals(answer, 2e-4, policy);
        // The share that is read at the end, zones, rows that wait to go together, and a page of each head.
        Assert.True(left <= all * ((860 * ratio) + 100) / 860, $"{left} of {all} bytes");

        // Behind the prompt.
        long MostBytes(Sequence sequence)
        {
            var most = 0L;
            engine.Submit(sequence);
            while (engine.Step())
            {
                engine.Verify();
                most = Math.Max(most, sequence.GeneratedCount > 1 ? engine.KvBytesInUse : 0);
            }

            return most;
        }
    }

    [Theory]
    [InlineData("drop=spent")]
    [InlineData("scoring=literal,sum=window,drop=spent")]
    public void WhatMayBeReadAgainIsNotDropped(string options)
    {
        var refusal = Assert.Throws<KvasirException>(() => PolicyCatalog.Parse("alisa:" + options));
        Assert.Equal(KvasirError.BadOption, refusal.Error);
        Assert.Contains("scoring=literal and sum=decayed", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AProbeBringsRowsBack()
    {
        // What the queries look for changes halfway; only who looks at all rows can notice.
        Assert.True(Found("dense") > 0.9);
        Assert.True(Found("probe") > 0.9);
        Assert.True(Found("literal") < 0.1);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void ProbedWeightsAreThoseOfDenseAttention(int group)
    {
        // With every row scored at every step, what is read follows from dense weights alone.
        var place = new HeadPlace(0, 1, 0, group, 8, 512);
        using var rows = new LoneHead(place, rowCount: 300, seed: 6);
        using var probed = PolicyCatalog.Parse("alisa:ratio=0.2,scoring=dense,min-context=0").CreateSelector(place);
        using var told = PolicyCatalog.Parse("alisa:ratio=0.2,scoring=literal,min-context=0").CreateSelector(place);
        probed.Append(rows.Head, 0, 300);
        told.Append(rows.Head, 0, 300);
        rows.Attend(probed);
        told.Observe(299, new RowSet(0, 300), rows.Weights(), 300);
        Assert.Equal(rows.Attend(told), rows.Attend(probed));
    }

    [Fact]
    public void AWindowAndItsDecayAgreeOnWhatMattersMost()
    {
        var window = Trace("probe,sum=window", steps: 60, seed: 8);
        var decayed = Trace("probe,sum=decayed", steps: 60, seed: 8);
        var (common, all) = (0, 0);
        for (var step = 0; step < window.Count; step++)
        {
            common += window[step].Rows.Intersect(decayed[step].Rows).Count();
            all += window[step].Rows.Length;
        }

        Assert.True(common > 0.8 * all, $"{common} of {all}");
    }

    private static List<(int Position, int[] Rows)> Trace(string scoring, int steps, int seed)
    {
        const int PromptCount = 200;
        var random = new Random(seed);
        var place = new HeadPlace(0, 1, 0, 1, 8, 512);
        using var rows = new LoneHead(place, rowCount: PromptCount + steps, seed);
        using var selector = PolicyCatalog.Parse($"alisa:ratio=0.2,scoring={scoring}{(scoring == "literal" ? ",sum=window" : "")},min-context=0").CreateSelector(place);
        selector.Append(rows.Head, 0, PromptCount);
        for (var position = PromptCount - 64; position < PromptCount; position++)
            selector.Observe(position, new RowSet(0, position + 1), Weights(random, position + 1), position + 1);
        var reads = new List<(int, int[])>();
        for (var position = PromptCount; position < PromptCount + steps; position++)
        {
            selector.Append(rows.Head, position, 1);
            rows.Attend(selector, position);
            var read = rows.LastRead.Order().ToArray();
            reads.Add((position, read));
            selector.Observe(position, new RowSet(read), Weights(random, read.Length), read.Length);
        }

        return reads;
    }

    // Of a needle's row that queries begin to look for long after the prompt: in how many of the last steps it is read.
    private static double Found(string scoring)
    {
        const int PromptCount = 200;
        const int Steps = 80;
        const int Needle = 50;
        var random = new Random(5);
        var place = new HeadPlace(0, 1, 0, 1, 8, 512);
        using var rows = new LoneHead(place, PromptCount + Steps, seed: 5);
        using var selector = PolicyCatalog.Parse($"alisa:ratio=0.2,scoring={scoring},probe-every=8,min-context=0").CreateSelector(place);
        selector.Append(rows.Head, 0, PromptCount);
        for (var position = PromptCount - 64; position < PromptCount; position++)
        {
            var weights = Weights(random, position + 1);
            weights[Needle] = 0;
            selector.Observe(position, new RowSet(0, position + 1), weights, position + 1);
        }

        rows.LookFor(Needle);
        var found = 0;
        for (var position = PromptCount; position < PromptCount + Steps; position++)
        {
            selector.Append(rows.Head, position, 1);
            rows.Attend(selector, position);
            found += position >= PromptCount + 40 && rows.LastRead.Contains(Needle) ? 1 : 0;
            var read = rows.LastRead.Order().ToArray();
            selector.Observe(position, new RowSet(read), Weights(random, read.Length), read.Length);
        }

        return found / 40.0;
    }

    private static float[] Weights(Random random, int count)
    {
        var weights = Enumerable.Range(0, count).Select(_ => MathF.Pow(random.NextSingle(), 4)).ToArray();
        return [.. weights.Select(weight => weight / weights.Sum())];
    }
}
