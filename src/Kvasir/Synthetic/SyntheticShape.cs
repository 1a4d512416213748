using System.Globalization;
using Kvasir.Kernels.Elementwise;
using Kvasir.Models.Configs;

namespace Kvasir.Synthetic;

/// <summary>The shape of a well-known model, for <see cref="Model.Synthetic(string, SyntheticWeights, ulong, ModelOptions)"/>.</summary>
/// <param name="Config">With the layers that are run, which may be fewer than the model has.</param>
/// <param name="LayersOfShape">Layers of the whole model.</param>
public sealed record SyntheticShape(ModelConfig Config, int LayersOfShape)
{
    private const int LongContext = 131072;
    private static readonly SyntheticShape[] Table =
    [
        Llama("llama3.2-1b", (16, 2048, 8192), (32, 8, 64), tied: true, ropeFactor: 32),
        Llama("llama3.2-3b", (28, 3072, 8192), (24, 8, 128), tied: true, ropeFactor: 32),
        Llama("llama3.1-8b", (32, 4096, 14336), (32, 8, 128), tied: false, ropeFactor: 8),
        Qwen("qwen3-4b", (36, 2560, 9728), (32, 8, 128)),
        Experts(Qwen("qwen3-30b-a3b", (48, 2048, 0), (32, 4, 128)), "qwen3moe", new ExpertShape { Count = 128, Used = 8, Width = 768 }),
        Granite("granite-3-2b"),
        Phi("phi-4-mini"),
        Gemma("gemma-3-4b"),
        Gemma4("gemma-4-26b-a4b"),
        Tiny("tiny"),
    ];

    /// <summary>The names that <see cref="Parse"/> knows: nine models, and one small enough to try things with.</summary>
    public static IReadOnlyList<string> Names { get; } = Array.ConvertAll(Table, static shape => shape.Config.Name);

    /// <summary>As typed: the name, and the layers where they are fewer.</summary>
    public string Name => Config.LayerCount == LayersOfShape ? Config.Name : string.Create(CultureInfo.InvariantCulture, $"{Config.Name}:{Config.LayerCount}");

    /// <summary>Reads a name such as <c>llama3.1-8b</c>, or <c>llama3.1-8b:4</c> for that shape with four layers only.</summary>
    /// <exception cref="KvasirException">The name is unknown, or the layers are not from 1 to the model's own.</exception>
    public static SyntheticShape Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var colon = text.IndexOf(':', StringComparison.Ordinal);
        var name = colon < 0 ? text : text[..colon];
        var shape = Array.Find(Table, known => known.Config.Name.Equals(name, StringComparison.OrdinalIgnoreCase))
            ?? throw new KvasirException(
                KvasirError.BadOption, $"synthetic model '{name}' is unknown; known: {string.Join(", ", Names)}, each with :LAYERS for fewer layers");
        if (colon < 0)
            return shape;
        if (!int.TryParse(text[(colon + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out var layers) || layers < 1 || layers > shape.LayersOfShape)
            throw new KvasirException(
                KvasirError.BadOption, $"synthetic model '{text}': the layers after the colon are a whole number from 1 to {shape.LayersOfShape}");
        return shape with { Config = shape.Config with { Layers = shape.Config.Layers.First(layers) } };
    }

    private static SyntheticShape Llama(
        string name, (int Layers, int Width, int FeedForward) size, (int Query, int Kv, int Dim) heads, bool tied, double ropeFactor)
    {
        var shape = Of(name, size, heads, 128256);
        var rope = shape.Config.Rope with { Base = 500000, Scaling = RopeScaling.Llama3, Factor = ropeFactor, OriginalContextTokens = 8192 };
        return shape with { Config = shape.Config with { TiedEmbedding = tied, Rope = rope } };
    }

    private static SyntheticShape Qwen(string name, (int Layers, int Width, int FeedForward) size, (int Query, int Kv, int Dim) heads)
    {
        var shape = Of(name, size, heads, 151936);
        return shape with
        {
            Config = shape.Config with
            {
                Architecture = "qwen3",
                ContextTokens = 40960,
                NormEpsilon = 1e-6f,
                TiedEmbedding = true,
                Layers = shape.Config.Layers.With(static layer => layer with { QkNorm = QkNorm.Heads }),
                Rope = new RopeConfig { Order = RopeOrder.Halves, Dim = heads.Dim, Base = 1_000_000 },
            },
        };
    }

    private static SyntheticShape Experts(SyntheticShape shape, string architecture, ExpertShape experts) => shape with
    {
        Config = shape.Config with
        {
            Architecture = architecture,
            TiedEmbedding = false,
            Layers = shape.Config.Layers.With(layer => layer with { Experts = experts }),
        },
    };

    private static SyntheticShape Granite(string name)
    {
        var shape = Of(name, (40, 2048, 8192), (32, 8, 64), 49155);
        return shape with
        {
            Config = shape.Config with
            {
                Architecture = "granite",
                TiedEmbedding = true,
                EmbeddingScale = 12,
                LogitScale = 1 / 8f,
                ScoreScale = 1 / 64f,
                Layers = shape.Config.Layers.With(static layer => layer with { ResidualScale = 0.22f }),
                Rope = shape.Config.Rope with { Base = 5_000_000 },
            },
        };
    }

    // Three quarters of each head rotate. Factors as the published ones are, from 1 at the quickest pair to tens at the slowest.
    private static SyntheticShape Phi(string name)
    {
        const int Rotating = 96;
        var shape = Of(name, (32, 3072, 8192), (24, 8, 128), 200064);
        return shape with
        {
            Config = shape.Config with
            {
                Architecture = "phi3",
                TiedEmbedding = true,
                Rope = new RopeConfig
                {
                    Order = RopeOrder.Halves,
                    Dim = Rotating,
                    Base = 10000,
                    OriginalContextTokens = 4096,
                    AttentionFactor = 1.1902380714238083,
                    FrequencyFactors = Factors(Rotating / 2, slowest: 1),
                    LongFrequencyFactors = Factors(Rotating / 2, slowest: 48),
                },
            },
        };
    }

    // Every sixth layer sees all.
    private static SyntheticShape Gemma(string name)
    {
        var shape = Of(name, (34, 2560, 10240), (8, 4, 256), 262208);
        var windowRope = new RopeConfig { Order = RopeOrder.Halves, Dim = 256, Base = 10000 };
        return shape with
        {
            Config = shape.Config with
            {
                Architecture = "gemma3",
                NormEpsilon = 1e-6f,
                TiedEmbedding = true,
                EmbeddingScale = MathF.Sqrt(2560),
                Gate = GateKind.GeluTanh,
                SlidingWindowTokens = 1024,
                Layers = LayerShapes.By(
                    34, static layer => new LayerShape { SeesAll = (layer + 1) % 6 == 0, Norms = NormPlacement.Around, QkNorm = QkNorm.Heads }),
                Rope = windowRope with { Base = 1_000_000, Scaling = RopeScaling.Linear, Factor = 8 },
                WindowRope = windowRope,
            },
        };
    }

    // Every sixth layer sees all, with larger heads and fewer of them, of which a quarter turns.
    private static SyntheticShape Gemma4(string name)
    {
        const int Still = 192;
        var shape = Of(name, (30, 2816, 2112), (16, 2, 512), 262144);
        var windowRope = new RopeConfig { Order = RopeOrder.Halves, Dim = 256, Base = 10000 };
        var factors = new float[256];
        factors.AsSpan().Fill(1);
        factors.AsSpan(^Still..).Fill(1e30f);
        var experts = new ExpertShape { Count = 128, Used = 8, Width = 704, HasShared = true, HasOwnNorms = true, HasOutputScales = true };
        return shape with
        {
            Config = shape.Config with
            {
                Architecture = "gemma4",
                NormEpsilon = 1e-6f,
                TiedEmbedding = true,
                EmbeddingScale = MathF.Sqrt(2816),
                ScoreScale = 1,
                LogitCap = 30,
                Gate = GateKind.GeluTanh,
                SlidingWindowTokens = 1024,
                WindowHeads = new HeadSizes(8, 256),
                Layers = LayerShapes.By(30, layer => new LayerShape
                {
                    SeesAll = (layer + 1) % 6 == 0,
                    ValuesAreKeys = (layer + 1) % 6 == 0,
                    NormsValues = true,
                    HasScale = true,
                    Norms = NormPlacement.Around,
                    QkNorm = QkNorm.Heads,
                    Experts = experts,
                }),
                Rope = new RopeConfig { Order = RopeOrder.Halves, Dim = 512, Base = 1_000_000, FrequencyFactors = factors },
                WindowRope = windowRope,
            },
        };
    }

    private static float[] Factors(int pairs, double slowest)
    {
        var factors = new float[pairs];
        for (var i = 0; i < pairs; i++)
            factors[i] = (float)Math.Pow(slowest, (double)i / (pairs - 1));
        return factors;
    }

    private static SyntheticShape Tiny(string name)
    {
        var shape = Of(name, (2, 256, 512), (4, 2, 64), 1024);
        return shape with { Config = shape.Config with { ContextTokens = 4096, TiedEmbedding = true } };
    }

    private static SyntheticShape Of(string name, (int Layers, int Width, int FeedForward) size, (int Query, int Kv, int Dim) heads, int vocabulary) => new(
        new ModelConfig
        {
            Architecture = "llama",
            Name = name,
            Layers = LayerShapes.Alike(size.Layers, new LayerShape()),
            Width = size.Width,
            FeedForwardWidth = size.FeedForward,
            HeadCount = heads.Query,
            KvHeadCount = heads.Kv,
            HeadDim = heads.Dim,
            VocabularySize = vocabulary,
            ContextTokens = LongContext,
            NormEpsilon = 1e-5f,
            Rope = new RopeConfig { Order = RopeOrder.Interleaved, Dim = heads.Dim, Base = 10000 },
        },
        size.Layers);
}
