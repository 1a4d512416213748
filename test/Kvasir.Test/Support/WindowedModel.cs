using Kvasir.Kernels.Elementwise;
using Kvasir.Models.Configs;
using Kvasir.Synthetic;

namespace Kvasir.Test.Support;

/// <summary>A small model of which every sixth layer sees all rows and the others a window, as Gemma 3 has them.</summary>
internal static class WindowedModel
{
    public const int Window = 40;
    public const int Vocabulary = 256;

    // Two layers see all.
    public const int Layers = 12;

    /// <param name="heads">Of layers with a window, where they have other sizes than the others, whose 4 heads are of 64 then; all is as Gemma 4 has it.</param>
    public static Model Make(int window = Window, int period = 6, ModelOptions? options = null, HeadSizes? heads = null)
    {
        var config = SyntheticShape.Parse("tiny").Config with
        {
            Width = 64,
            FeedForwardWidth = 96,
            HeadCount = 8,
            KvHeadCount = 4,
            HeadDim = 8,
            VocabularySize = Vocabulary,
            Rope = new RopeConfig { Order = RopeOrder.Halves, Dim = 8, Base = 10000 },
            SlidingWindowTokens = window,
            Layers = LayerShapes.By(Layers, layer => new LayerShape { SeesAll = layer % period == period - 1, QkNorm = QkNorm.Heads }),
        };
        if (heads is { } own)
        {
            config = config with
            {
                HeadDim = 64,
                ScoreScale = 0.2f,
                Rope = config.Rope with { Dim = 64 },
                WindowHeads = own,
                WindowRope = new RopeConfig { Order = RopeOrder.Halves, Dim = own.Dim, Base = 500 },
                Layers = config.Layers.With(static layer => layer with
                {
                    Norms = NormPlacement.Around,
                    NormsValues = true,
                    ValuesAreKeys = layer.SeesAll,
                    HasScale = true,
                }),
            };
        }

        return Model.Synthetic(new SyntheticShape(config, Layers), SyntheticWeights.BF16, options: options);
    }

    public static int[] Text(int count, int step = 57) => [.. Enumerable.Range(0, count).Select(i => (int)(((long)i * i * step) + (i * 31L)) % Vocabulary)];

    /// <summary>Whether layers with a window have read all that they see, so many rows each.</summary>
    public static void AssertWindowsAreReadWhole(Model model, IReadOnlyList<LayerReads> layers, long rows)
    {
        for (var layer = 0; layer < layers.Count; layer++)
        {
            if (!model.Config.Attention.SeesAll(layer))
                Assert.Equal((rows, rows), (layers[layer].RowsInSight, layers[layer].RowsRead));
        }
    }
}
