using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Test.Models;

/// <summary>Learned positions end: no context goes beyond them, and no request.</summary>
public sealed class LearnedPositionsTest
{
    private static readonly GoldenLogitsTable Table = GoldenLogitsTable.Committed;

    [Fact]
    public void APositionThatTheModelDoesNotHaveIsRefusedBeforeAnythingIsComputed()
    {
        using var files = new RandomModel(Table.Cases.Single(c => c.Name == "hf-opt-f32"), Table);
        using var model = Model.Load(files.Path);
        var options = new EngineOptions { Threads = 1, Kv = KvFormat.F32, KvMemoryBytes = 16 << 20 };
        var beyond = Assert.Throws<KvasirException>(() => new Engine(model, options with { ContextTokens = 65 }));
        Assert.Equal("a context of 65 tokens is out of range: the model has learned positions for 64", beyond.Message);
        Assert.Equal(KvasirError.BadOption, beyond.Error);
        using var engine = new Engine(model, options);
        Assert.Equal(64, engine.ContextTokens);
        var long65 = Assert.Throws<KvasirException>(() => engine.Submit(new Sequence(new int[65], Generation.Greedy(1))));
        Assert.Equal(KvasirError.ContextExceeded, long65.Error);
        Assert.Contains("64", long65.Message, StringComparison.Ordinal);
    }
}
