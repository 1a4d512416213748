using Kvasir.Attention.Policies;
using Kvasir.Cache;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Files;
using Kvasir.Kernels.Memory;

namespace Kvasir.Test.Tiers;

/// <summary>Pages that are rounded on their way to their file: how far off they come back, and what answers over them come to.</summary>
public sealed class RecodedStoreTest
{
    [Theory]
    [InlineData("f32", 128, 128)]
    [InlineData("bf16", 128, 96)]
    [InlineData("bf16", 64, 64)]
    [InlineData("f32", 8, 40)]
    public void WhatComesBackIsWithinTheBoundOfEachWay(string format, int keyDim, int valueDim)
    {
        var seed = Environment.TickCount;
        var (random, layout) = (new Random(seed), new PageLayout(KvFormat.Find(format)!, keyDim, valueDim, PagePool.PageTokens));
        using var store = new RecodedStore(new PageRecoding(layout, KvFormat.Q8), bytes => new MemoryStore(bytes, 3));
        using var buffer = new NativeBuffer(4 << 20);
        var (sent, came) = (buffer.View.Slice(0, 2L * store.PageBytes), buffer.View.Slice(2 << 20, 2L * store.PageBytes));
        var rows = new float[2 * PagePool.PageTokens][][];
        for (var row = 0; row < rows.Length; row++)
        {
            // Rows of nothing, of one large element, and of any size.
            var scale = row % 7 == 0 ? 0 : MathF.Pow(10, random.Next(-3, 4));
            rows[row] = [Row(keyDim, scale), Row(valueDim, scale)];
            var page = sent.Address + (row / PagePool.PageTokens * store.PageBytes);
            layout.Keys([page]).Encode(row % PagePool.PageTokens, rows[row][0]);
            layout.Values([page]).Encode(row % PagePool.PageTokens, rows[row][1]);
        }

        store.Write(1, sent);
        store.Read(1, came);
        Assert.True(came.Span(0, (int)came.Bytes).SequenceEqual(sent.Span(0, (int)sent.Bytes)), "the writer does not know what comes back");
        for (var row = 0; row < rows.Length; row++)
        {
            var page = came.Address + (row / PagePool.PageTokens * store.PageBytes);
            var read = (Keys: new float[keyDim], Values: new float[valueDim]);
            layout.Keys([page]).Decode(row % PagePool.PageTokens, read.Keys);
            layout.Values([page]).Decode(row % PagePool.PageTokens, read.Values);
            AssertNear(rows[row][0], read.Keys, ways: 1);
            AssertNear(rows[row][1], read.Values, ways: 1);
        }

        // A page that is written to when it has come back goes again.
        store.Write(0, came);
        for (var row = 0; row < rows.Length; row++)
        {
            var read = new float[keyDim];
            layout.Keys([came.Address + (row / PagePool.PageTokens * store.PageBytes)]).Decode(row % PagePool.PageTokens, read);
            AssertNear(rows[row][0], read, ways: 2);
        }

        float[] Row(int dim, float scale) => [.. Enumerable.Range(0, dim).Select(i => scale * (i == 1 && random.Next(3) == 0 ? 50 : 1) * (float)((2 * random.NextDouble()) - 1))];

        // What memory had was rounded to its own format before and after.
        void AssertNear(float[] expected, float[] actual, int ways)
        {
            var most = ways * expected.Max(MathF.Abs) * ((1.01 * RowCodec.Q8.ErrorShare) + (format == "bf16" ? 2 * RowCodec.BF16.ErrorShare : 0));
            for (var i = 0; i < expected.Length; i++)
                Assert.True(Math.Abs(expected[i] - actual[i]) <= most, $"seed {seed}: {expected[i]} came back as {actual[i]}, more than {most} off");
        }
    }

    [Fact]
    public void PagesThatLieInBlocksOfTheirOwnAreSmallerThere()
    {
        var recoding = new PageRecoding(new PageLayout(KvFormat.BF16, 128, 128, PagePool.PageTokens), KvFormat.Q8);
        Assert.Equal((16_384, 8704), (recoding.NearBytes, recoding.FarBytes));
        using var store = new RecodedStore(recoding, static bytes => new MemoryStore(bytes, 1));
        Assert.Equal((16_384, 12_288), (store.PageBytes, store.StoredBytes));
        Assert.Throws<ArgumentException>(() => new PageRecoding(new PageLayout(KvFormat.Int8, 64, 64, PagePool.PageTokens), KvFormat.Q8));
    }

    [Theory]
    [InlineData("f32", 1, PageEviction.Counted)]
    [InlineData("bf16", 2, PageEviction.Lru)]
    public void AnswersOverThemAreNearThoseOfMemory(string format, int threads, PageEviction eviction)
    {
        using var model = Generation.LoadStories();
        MemoryStore? store = null;
        var options = new EngineOptions { Threads = threads, Kv = new Kv(format), KvMemoryBytes = 64 << 20, ContextTokens = 1024 };
        int[] prompt = [.. Enumerable.Range(0, 300).Select(static i => 3 + (i * 7 % 400))];
        using var memory = new Engine(model, options);
        using var files = new Engine(model, options with
        {
            KvMemoryBytes = (memory.Plan.KvBytesPerToken * 150) + 100_000,
            KvEviction = eviction,
            KvDiskFormat = KvFormat.Q8,
            KvStore = bytes => store = new MemoryStore(bytes, 4000),
        });
        var expected = Generation.Run(memory, prompt, Generation.Greedy(20) with { Attention = PolicyCatalog.Dense });
        var answer = Generation.Run(files, prompt, Generation.Greedy(20) with { Attention = PolicyCatalog.Dense });
        Assert.Null(answer.Sequence.Failure);
        Assert.True(store!.Reads > 50, $"{store.Reads} reads");
        // As far as both say the same.
        var same = expected.Tokens.AsSpan().CommonPrefixLength(answer.Tokens);
        Assert.InRange(same, 2, 20);
        Assert.NotEqual(expected.Logprobs, answer.Logprobs);
        for (var i = 0; i < same; i++)
            Assert.Equal(expected.Logprobs[i], answer.Logprobs[i], 0.1);
        files.Verify();
    }
}
