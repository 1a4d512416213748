using Kvasir.Files;
using Kvasir.Kernels.Matrix;
using Kvasir.Models.Configs;

namespace Kvasir.Models;

/// <summary>
/// A model's weights in 4 bits, by which it guesses what it will say itself (QuantSpec, arXiv 2502.10424): a step with them reads half of what one with 8 bits
/// reads. Matrices that have no more bits anyway, or for whose copies there is no memory, are the model's own.
/// </summary>
internal sealed class DraftWeights
{
    private const WeightType Narrow = WeightType.Q4_0;

    // Q4_0 and Q4_K have 4.5.
    private const double NarrowBits = 4.6;

    /// <summary>Reads and rounds. What the source has is left as it is, for the model's own weights to be read from it.</summary>
    public DraftWeights(ITensorSource source, TensorNames names, ModelConfig config, WeightPacker packer)
    {
        var reader = new WeightsReader(source, names, config, packer, lowRank: null);
        Output = reader.Output();
        var layers = new LayerWeights[config.LayerCount];
        for (var i = 0; i < layers.Length; i++)
            layers[i] = reader.Layer(i);
        Layers = layers;
    }

    /// <summary>[VocabularySize, Width].</summary>
    public WeightMatrix Output { get; private set; }

    /// <summary>From the embedding to the output.</summary>
    public LayerWeights[] Layers { get; }

    /// <summary>Whether a matrix gets a copy of fewer bits.</summary>
    public static bool Narrows(WeightType type, int columns) =>
        columns % WeightLayout.BlockElements(Narrow) == 0 && 8.0 * WeightLayout.RowBytes(type, columns) / columns > NarrowBits;

    /// <summary>Takes over the model's own matrices in the place of those that were not rounded.</summary>
    public void Complete(in WeightMatrix output, LayerWeights[] layers)
    {
        Output = Of(Output, output);
        for (var i = 0; i < layers.Length; i++)
        {
            var (draft, own) = (Layers[i], layers[i]);
            Layers[i] = own with
            {
                Query = Of(draft.Query, own.Query),
                Key = Of(draft.Key, own.Key),
                Value = Of(draft.Value, own.Value),
                Output = Of(draft.Output, own.Output),
                Gate = Of(draft.Gate, own.Gate),
                Up = Of(draft.Up, own.Up),
                Down = Of(draft.Down, own.Down),
            };
        }
    }

    // A matrix that was rounded has another type than it had.
    private static WeightMatrix Of(in WeightMatrix draft, in WeightMatrix own) => draft.Type == own.Type ? own : draft;
}
