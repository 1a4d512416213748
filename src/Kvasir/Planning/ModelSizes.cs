using Kvasir.Models;
using Kvasir.Models.Configs;
using Kvasir.Synthetic;

namespace Kvasir.Planning;

/// <summary>What a plan has to know of a model: its shape, and how large its matrices are. Nothing of its weights is read.</summary>
public sealed record ModelSizes
{
    private ModelSizes()
    {
    }

    /// <summary>For people.</summary>
    public required string Name { get; init; }

    public required ModelConfig Config { get; init; }

    /// <summary>What tells the model from any other; see <see cref="TierPlan.RequireFits"/>.</summary>
    public required string Fingerprint { get; init; }

    /// <summary>Of all layers.</summary>
    public required IReadOnlyList<MatrixSize> Layers { get; init; }

    /// <summary>What gives the logits.</summary>
    public required MatrixSize Output { get; init; }

    /// <summary>Bytes of what is no matrix of a product: the embedding, norms, biases.</summary>
    public required long OtherBytes { get; init; }

    /// <summary>Those that products are made with.</summary>
    internal IEnumerable<MatrixSize> Matrices => [.. Layers, Output];

    /// <summary>What a step reads.</summary>
    internal long StepBytes => Matrices.Sum(static matrix => matrix.StoredBytes);

    /// <summary>What a machine has in memory of it: matrices as they are packed there, and the rest as its file has it.</summary>
    internal long ResidentBytes => OtherBytes + Layers.Sum(static matrix => matrix.ReadBytes) + (Config.TiedEmbedding && !Output.IsPacked ? 0 : Output.ReadBytes);

    /// <summary>Of a model whose files were opened.</summary>
    public static ModelSizes Of(Model model)
    {
        ArgumentNullException.ThrowIfNull(model);
        var weights = model.Weights;
        MatrixSize[] layers =
        [
            .. weights.Layers.SelectMany(static layer => new[] { layer.Query, layer.Key, layer.Value, layer.Output, layer.Gate, layer.Up, layer.Down })
                .Select(static matrix => MatrixSize.Of(matrix)),
        ];
        var output = MatrixSize.Of(weights.Output);
        var ofProducts = layers.Sum(static matrix => matrix.StoredBytes) + (model.Config.TiedEmbedding ? 0 : output.StoredBytes);
        return new ModelSizes
        {
            Name = model.Config.Name,
            Config = model.Config,
            Fingerprint = weights.Fingerprint,
            Layers = layers,
            Output = output,
            OtherBytes = Math.Max(0, weights.Bytes - ofProducts),
        };
    }

    /// <summary>Of a shape, without making its weights.</summary>
    /// <param name="seed">As of <see cref="Model.Synthetic(SyntheticShape, SyntheticWeights, ulong, ModelOptions)"/>: other weights are another model.</param>
    public static ModelSizes Of(SyntheticShape shape, SyntheticWeights weights, ulong seed = 1)
    {
        ArgumentNullException.ThrowIfNull(shape);
        using var tensors = new SyntheticTensors(shape, weights, seed);
        var names = Kvasir.Files.TensorNames.Gguf;
        var output = Size(shape.Config.TiedEmbedding ? names.Embedding : names.Output);
        MatrixSize[] layers =
        [
            .. tensors.TensorNames.Where(name => name != names.Embedding && name != names.Output).Select(Size).Where(static size => size.Rows > 1),
        ];
        return new ModelSizes
        {
            Name = shape.Name,
            Config = shape.Config,
            Fingerprint = ModelFingerprint.Of(tensors, shape.Config),
            Layers = layers,
            Output = output,
            OtherBytes = tensors.Bytes - layers.Sum(static matrix => matrix.StoredBytes) - (shape.Config.TiedEmbedding ? 0 : output.StoredBytes),
        };

        MatrixSize Size(string name)
        {
            var (type, rows, columns) = tensors.SizeOf(name);
            return new MatrixSize(type, rows, columns);
        }
    }
}
