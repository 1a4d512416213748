using System.Runtime.CompilerServices;
using Kvasir.Attention.Policies;
using Kvasir.Cache;
using Kvasir.Cache.Slots;
using Kvasir.Forward;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Models;
using Kvasir.Models.Configs;
using Kvasir.Measurement;
using Kvasir.Planning;
using Kvasir.Synthetic;

namespace Kvasir.Test.Planning;

/// <summary>What a plan says of memory is what an engine takes.</summary>
public sealed class PlannedMemoryTest
{
    [Theory]
    [InlineData("tiny", SyntheticWeights.Q4_0, 1)]
    [InlineData("tiny:1", SyntheticWeights.BF16, 3)]
    [InlineData("tiny", SyntheticWeights.Q4_K_M, 2)]
    public void AShapeHasTheSizesOfItsModel(string name, SyntheticWeights weights, int threads) =>
        AssertSizes(SyntheticShape.Parse(name), weights, threads);

    [Theory]
    [InlineData(SyntheticWeights.Q4_K_M)]
    [InlineData(SyntheticWeights.Q8_0)]
    public void ExpertsAreThoseOfTheModel(SyntheticWeights weights)
    {
        var tiny = SyntheticShape.Parse("tiny");
        var experts = new ExpertShape { Count = 6, Used = 2, Width = 256 };
        var config = tiny.Config with { Architecture = "qwen3moe", FeedForwardWidth = 0, Layers = LayerShapes.Alike(2, new LayerShape { QkNorm = QkNorm.Heads, Experts = experts }) };
        AssertSizes(new SyntheticShape(config, 2), weights, 2);
    }

    [Theory]
    [InlineData(100)]
    [InlineData(1300)]
    public void LayersWithAWindowArePlannedAsTheyAreKept(int tokens)
    {
        using var model = WindowedModel.Make();
        var planner = new TierPlanner(ModelSizes.Of(model), PlannedMachine.Bare);
        var way = planner.Way(new PlanRequest(tokens, 1, 1L << 30, 0), PolicyCatalog.Dense, KvFormat.BF16, onFile: false)!;
        using var engine = new Engine(model, new EngineOptions { KvMemoryBytes = way.KvMemoryBytes, Threads = 1, ContextTokens = 4096 });
        Assert.InRange(engine.Plan.TokensThatFit, tokens, tokens + PagePool.PageTokens - 1);
    }

    private static void AssertSizes(SyntheticShape shape, SyntheticWeights weights, int threads)
    {
        using var model = Model.Synthetic(shape, weights);
        var (planned, made) = (ModelSizes.Of(shape, weights), ModelSizes.Of(model));
        Assert.Equal(
            (made.Fingerprint, made.Output, made.OtherBytes, made.ResidentBytes), (planned.Fingerprint, planned.Output, planned.OtherBytes, planned.ResidentBytes));
        Assert.Equal(made.Layers.Order(Comparer<MatrixSize>.Create(Compare)), planned.Layers.Order(Comparer<MatrixSize>.Create(Compare)));
        Assert.Equal((made.Experts?.ReadBytes, made.Experts?.Count), (planned.Experts?.ReadBytes, planned.Experts?.Count));
        var chosen = planned.Experts is { } experts ? experts.ReadBytes * experts.Used / experts.Count : 0;
        Assert.Equal(model.Weights.StepBytes, planned.Matrices.Sum(static matrix => matrix.ReadBytes) + chosen);
        var options = new EngineOptions { Threads = threads, MaxSequences = threads, KvMemoryBytes = 8 << 20 };
        using var engine = new Engine(model, options);
        using (new EngineProbe(engine, PolicyCatalog.Dense, 64, 1))
        {
            var tokens = (int)Math.Min(engine.ContextTokens, engine.Plan.TokensThatFit + 2);
            Assert.Equal(engine.Plan.ScratchBytes, PassBytes.Scratch(
                model.Config, (planned.Matrices, planned.Experts?.Matrices), KvFormat.BF16, options.NewBatch(), (threads, tokens, false)));
        }
    }

    [Theory]
    [InlineData("dense", "bf16", 700)]
    [InlineData("quest:page=32", "q8", 1111)]
    [InlineData("guarded", "int8", 640)]
    public void TheMemoryThatIsPlannedHoldsTheContextAndAPageLessDoesNot(string policy, string kv, int tokens)
    {
        using var model = Model.Synthetic("tiny");
        var spec = PolicyCatalog.Spec(policy);
        var planner = new TierPlanner(ModelSizes.Of(model), PlannedMachine.Bare);
        var way = planner.Way(new PlanRequest(tokens, 1, 1L << 30, 0), spec.Create(), KvFormat.Find(kv)!, onFile: false)!;
        Assert.Equal(
            PassBytes.Scratch(model.Config, (ModelSizes.Of(model).Matrices, null), KvFormat.Find(kv)!, new EngineOptions { MaxSequences = 1 }.NewBatch(), (2, tokens, false)),
            way.Memory.Scratch);
        Assert.InRange(Holds(way.KvMemoryBytes), tokens, tokens + PagePool.PageTokens - 1);
        Assert.InRange(Holds(way.KvMemoryBytes - 1), 0, tokens - 1);

        long Holds(long bytes)
        {
            using var engine = new Engine(
                model, new EngineOptions { Attention = spec.Create(), Kv = KvFormat.Find(kv)!, KvMemoryBytes = bytes, Threads = 1, ContextTokens = 4096 });
            return engine.Plan.TokensThatFit;
        }
    }

    [Fact]
    public void ATableHasItsStatesAsLargeAsTheyAre() => Assert.Equal(TableBytes.StateBytes, Unsafe.SizeOf<PageState>());

    private static int Compare(MatrixSize left, MatrixSize right) =>
        (left.Type, left.Rows, left.Columns).CompareTo((right.Type, right.Rows, right.Columns));
}
