using Kvasir.Attention.Policies;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Elementwise;
using Kvasir.Models.Configs;
using Kvasir.Synthetic;

namespace Kvasir.Test.Attention.Policies;

/// <summary>
/// Every policy over layers that are not Llama's: every second without positions, some with a window, a sink in every head, a part of each head rotated, scores
/// capped, they and what layers add scaled otherwise.
/// </summary>
public sealed class FamilyPolicyTest(FamilyPolicyTest.Shared shared) : IClassFixture<FamilyPolicyTest.Shared>
{
    private static readonly EngineOptions Exact = new() { Threads = 1, Kv = KvFormat.F32, KvMemoryBytes = 32 << 20 };
    private static readonly int[] Prompt = [.. Enumerable.Range(0, 300).Select(static i => (i * 57) % 200)];

    public static TheoryData<string> Everything => [.. PolicyCatalog.Entries.Select(static entry => entry.Name)];

    [Theory]
    [MemberData(nameof(Everything))]
    public void KeepingEverythingEqualsDense(string name) =>
        Answer(shared.Model, PolicyCatalog.Entries.Single(entry => entry.Name == name).KeepEverything).AssertEquals(shared.Dense, 1e-4, name);

    [Theory]
    [MemberData(nameof(Everything))]
    public void KeepingEverythingEqualsDenseBesideSmallerHeads(string name) =>
        Answer(shared.Mixed, PolicyCatalog.Entries.Single(entry => entry.Name == name).KeepEverything).AssertEquals(shared.MixedDense, 1e-4, name);

    private static Generation Answer(Model model, string policy) =>
        Generation.Run(model, Exact, Prompt, Generation.Greedy(8) with { Attention = KeyAxesFile.Parse(policy) });

    /// <summary>The model, and what dense attention answers. Heads, and layers that see all, are those of <see cref="KeyAxesFile"/>.</summary>
    public sealed class Shared : IDisposable
    {
        public Shared()
        {
            var tiny = SyntheticShape.Parse("tiny");
            var config = tiny.Config with
            {
                Width = 64,
                FeedForwardWidth = 96,
                HeadCount = 8,
                KvHeadCount = 4,
                HeadDim = 8,
                VocabularySize = 256,
                ScoreScale = 0.21f,
                ScoreCap = 1.5f,
                LogitCap = 2,
                Rope = new RopeConfig { Order = RopeOrder.Halves, Dim = 6, Base = 10000 },
                SlidingWindowTokens = 60,
                Layers = LayerShapes.By(
                    7, static layer => new LayerShape { Rotates = layer % 2 == 0, SeesAll = layer % 4 != 1, ResidualScale = 0.7f, QkNorm = QkNorm.Heads, HasSinks = true }),
            };
            Model = Model.Synthetic(new SyntheticShape(config, 7), SyntheticWeights.BF16);
            Dense = Answer(Model, "dense");
            var mixed = config with
            {
                WindowHeads = new HeadSizes(8, 4),
                WindowRope = new RopeConfig { Order = RopeOrder.Halves, Dim = 4, Base = 500 },
                Layers = config.Layers.With(static layer => layer with
                {
                    Norms = NormPlacement.Around,
                    NormsValues = true,
                    ValuesAreKeys = layer.SeesAll,
                    HasScale = true,
                }),
            };
            Mixed = Model.Synthetic(new SyntheticShape(mixed, 7), SyntheticWeights.BF16);
            MixedDense = Answer(Mixed, "dense");
        }

        public Model Model { get; }

        internal Generation Dense { get; }

        /// <summary>The same with more and smaller heads in layers with a window, and values of all others that are their keys.</summary>
        public Model Mixed { get; }

        internal Generation MixedDense { get; }

        public void Dispose()
        {
            Model.Dispose();
            Mixed.Dispose();
        }
    }
}
