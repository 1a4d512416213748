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

    /// <summary>Null where every row goes through the same matrices.</summary>
    public ExpertSizes? Experts { get; init; }

    /// <summary>Bytes of what is no matrix of a product: the embedding, norms, biases.</summary>
    public required long OtherBytes { get; init; }

    /// <summary>Those that products are made with by every step.</summary>
    internal IEnumerable<MatrixSize> Matrices => [.. Layers, Output];

    /// <summary>What a machine has in memory of it: matrices as they are packed there, and the rest as its file has it.</summary>
    public long ResidentBytes =>
        OtherBytes + Layers.Sum(static matrix => matrix.ReadBytes) + (Experts?.ReadBytes ?? 0)
            + (Config.TiedEmbedding && !Output.IsPacked ? 0 : Output.ReadBytes);

    /// <summary>Of a model whose files were opened.</summary>
    public static ModelSizes Of(Model model)
    {
        ArgumentNullException.ThrowIfNull(model);
        var weights = model.Weights;
        MatrixSize[] layers =
        [
            .. weights.Layers.SelectMany(static layer => new[] { layer.Query, layer.Key, layer.Value, layer.Output, layer.Gate, layer.Up, layer.Down })
                .Where(static matrix => matrix.Rows > 0).Select(static matrix => MatrixSize.Of(matrix)),
            .. weights.Layers.Where(static layer => layer.Experts is not null).Select(static layer => MatrixSize.Of(layer.Experts!.Router)),
        ];
        var experts = model.Config.Layers[0].Experts is { } shape
            ? new ExpertSizes(
                [.. weights.Layers.SelectMany(static layer => new[] { layer.Experts!.Gate[0], layer.Experts.Up[0], layer.Experts.Down[0] })
                    .Select(static matrix => MatrixSize.Of(matrix))],
                shape.Count, shape.Used)
            : null;
        var output = MatrixSize.Of(weights.Output);
        var ofProducts = layers.Sum(static matrix => matrix.StoredBytes) + (experts?.StoredBytes ?? 0) + (model.Config.TiedEmbedding ? 0 : output.StoredBytes);
        return new ModelSizes
        {
            Name = model.Config.Name,
            Config = model.Config,
            Fingerprint = weights.Fingerprint,
            Layers = layers,
            Experts = experts,
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
        var output = Matrix(tensors.SizeOf(shape.Config.TiedEmbedding ? names.Embedding : names.Output));
        var sizes = tensors.TensorNames.Where(name => name != names.Embedding && name != names.Output).Select(tensors.SizeOf).ToArray();
        MatrixSize[] layers = [.. sizes.Where(static size => size is { Experts: 0, Rows: > 1 }).Select(Matrix)];
        var experts = shape.Config.Layers[0].Experts is { } chosen
            ? new ExpertSizes([.. sizes.Where(static size => size.Experts > 0).Select(Matrix)], chosen.Count, chosen.Used)
            : null;
        return new ModelSizes
        {
            Name = shape.Name,
            Config = shape.Config,
            Fingerprint = ModelFingerprint.Of(tensors, shape.Config),
            Layers = layers,
            Experts = experts,
            Output = output,
            OtherBytes = tensors.Bytes - layers.Sum(static matrix => matrix.StoredBytes) - (experts?.StoredBytes ?? 0)
                - (shape.Config.TiedEmbedding ? 0 : output.StoredBytes),
        };
    }

    private static MatrixSize Matrix(TensorSize size) => new(size.Type, size.Rows, size.Columns);
}
