using Kvasir.Attention;
using Kvasir.Attention.Policies;
using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Test.Attention.Policies;

public sealed class PolicySweepTest : IDisposable
{
    private const int PromptTokens = 440;
    private static readonly EngineOptions Exact = new() { Threads = 1, Kv = KvFormat.F32, KvMemoryBytes = 256 << 20 };
    private readonly Model _model = Generation.LoadStories();

    // Loki needs a file.
    public static TheoryData<string> Swept => [.. PolicyCatalog.Entries.Where(static entry => entry.Name != "dense" && entry.Needs is null).Select(static entry => entry.Name)];

    public void Dispose() => _model.Dispose();

    [Theory]
    [Trait("Needs", "Minutes")]
    [MemberData(nameof(Swept))]
    public void BudgetsReadFewKeysFirst(string name)
    {
        // Eight tokens are few, and policies that draw are lucky now and then.
        var more = name switch { "streaming" => "", "guarded" => ",recent=4,pilot=16", _ => ",recent=4" };
        var shares = PolicyCatalog.Spec($"{name}:sinks=2,min-context=0{more}").Sweep().Select(static spec => spec.Create()).Select(KeysRead).ToArray();
        Assert.True(shares.Length >= 5, $"{shares.Length} budgets");
        Assert.All(shares.Zip(shares.Skip(1)), pair => Assert.True(pair.Second >= pair.First - 0.03, string.Join(' ', shares)));
        // What think gives up are elements of keys, of which all are read.
        Assert.True(shares[^1] > shares[0] || name is "sparse-transformer" or "think", string.Join(' ', shares));
    }

    [Fact]
    public void ABudgetReplacesWhatItSetsAndNothingElse()
    {
        Assert.Equal(
            ["quest:share=0.01,page=8,min-context=0", "quest:share=0.02,page=8,min-context=0", "quest:page=8,min-context=0", "quest:share=0.1,page=8,min-context=0", "quest:share=0.2,page=8,min-context=0"],
            PolicyCatalog.Spec("quest:page=8,share=0.7,min-context=0").Sweep().Select(static spec => spec.ToString()));
        Assert.Equal(["dense"], PolicyCatalog.Spec("dense").Sweep().Select(static spec => spec.ToString()));
    }

    [Fact]
    public void EveryBudgetIsAnotherPolicy() => Assert.All(PolicyCatalog.Entries.Where(static entry => entry.Needs is null), static entry =>
        Assert.Equal(Math.Max(1, entry.Budgets.Count), new PolicySpec(entry).Sweep().Select(static spec => spec.ToString()).Distinct().Count()));

    private double KeysRead(AttentionPolicy policy)
    {
        var prompt = _model.Tokenizer.Encode(string.Concat(Enumerable.Repeat("Tom and Lily went to the big park to play with a red ball. ", 40)))[..PromptTokens];
        var sequence = Generation.Run(_model, Exact, prompt, Generation.Greedy(9) with { Attention = policy }).Sequence;
        return sequence.ReadsByLayer().Aggregate(static (sum, layer) => sum + layer).KeysReadShare;
    }
}
