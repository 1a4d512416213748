using Kvasir.Kernels.Attention.Formats;
using Kvasir.Requests.Guessing;

namespace Kvasir.Test.Models;

/// <summary>Models of every kind that guess by their own weights in 4 bits: matrices that are joined or gathered are copied, experts are left as they are.</summary>
public sealed class FamilyDraftTest
{
    private static readonly GoldenLogitsTable Table = GoldenLogitsTable.Committed;

    // One of each tensor type is enough: what differs is how families lie in files.
    public static TheoryData<string> Names =>
        [.. Table.Cases.Where(static c => !c.Name.StartsWith("llama-", StringComparison.Ordinal)).Select(static c => c.Name)];

    [Theory, MemberData(nameof(Names))]
    [Trait("Needs", "Minutes")]
    public void GreedyTokensAreThoseWithoutADraft(string name)
    {
        var golden = Table.Cases.Single(c => c.Name == name);
        using var files = new RandomModel(golden, Table);
        using var plain = Model.Load(files.Path);
        using var guessing = Model.Load(files.Path, new ModelOptions { DraftWeights = true });
        var options = new EngineOptions
        {
            Threads = 1,
            Kv = KvFormat.F32,
            KvMemoryBytes = 16 << 20,
            DraftCosts = new DraftCosts(stepMs: 10, rowMs: 0.1, draftMs: 1),
        };
        var expected = Generation.Run(plain, options, golden.Tokens[..14], Generation.Greedy(24));
        var guessed = Generation.Run(guessing, options, golden.Tokens[..14], Generation.Greedy(24) with { SpeculativeTokens = 4 });
        guessed.AssertEquals(expected, 2e-2, name);
        Assert.True(guessed.Sequence.Timings.GuessedTokens > 0);
    }
}
