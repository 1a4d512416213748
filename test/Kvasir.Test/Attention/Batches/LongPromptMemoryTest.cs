using Kvasir.Attention.Policies;
using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Test.Attention.Batches;

/// <summary>What a prompt of 8k tokens leaves in memory.</summary>
public sealed class LongPromptMemoryTest
{
    // Of a budget of whole pages nothing is rounded; h2o's ends within a page. What is taken from the system comes in slabs, of which pages in use tear at most two.
    [Theory]
    [Trait("Needs", "Minutes")]
    [InlineData("streaming:sinks=4,recent=2045", 2048)]
    [InlineData("h2o", 1690)]
    [InlineData("alisa:scoring=literal,drop=spent", 1639)]
    [InlineData("snapkv", 820)]
    [InlineData("adakv", 820)]
    [InlineData("prefixkv", 820)]
    public void WhatStaysOfALongPromptIsTheBudget(string name, int budgetRows)
    {
        const int Tokens = 8192;
        const int MemoryBytes = 48 << 20;
        using var model = Generation.LoadStories();
        using var engine = new Engine(model, new EngineOptions { Threads = 1, Kv = KvFormat.BF16, ContextTokens = Tokens + 64, KvMemoryBytes = MemoryBytes, BatchTokens = 512 });
        var random = new Random(1);
        int[] prompt = [.. Enumerable.Range(0, Tokens).Select(_ => random.Next(3, 500))];
        var sequence = new Sequence(prompt, Generation.Greedy(4) with { Attention = PolicyCatalog.Parse(name), TopLogprobs = null });
        engine.Submit(sequence);
        while (sequence.GeneratedCount == 0 && engine.Step())
        {
        }

        Assert.Null(sequence.Failure);
        var budget = budgetRows * engine.Plan.KvBytesPerToken;
        Assert.InRange((double)engine.KvBytesInUse / budget, 1, 1.03);
        Assert.InRange(engine.Memory.PageBytes, engine.KvBytesInUse, engine.KvBytesInUse + (2 * MemoryBytes / 32));
    }
}
