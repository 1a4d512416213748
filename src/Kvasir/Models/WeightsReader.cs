using Kvasir.Files;
using Kvasir.Kernels.Matrix;
using Kvasir.Models.Configs;

namespace Kvasir.Models;

/// <summary>Finds the tensors of a model by name and holds every shape against the configuration.</summary>
internal sealed class WeightsReader(ITensorSource source, TensorNames names, ModelConfig config, WeightPacker packer)
{
    private readonly HashSet<string> _read = [];

    /// <summary>Bytes of all tensors that were read.</summary>
    public long Bytes { get; private set; }

    /// <summary>Numbers of all tensors that were read.</summary>
    public long ParameterCount { get; private set; }

    /// <summary>As stored: rows of it are looked up.</summary>
    public WeightMatrix Embedding() => Stored(names.Embedding, config.VocabularySize, config.Width).Matrix;

    /// <summary>A tied output is the embedding; its packed form is a second copy.</summary>
    public WeightMatrix Output() => Matrix(config.TiedEmbedding ? names.Embedding : names.Output, config.VocabularySize, config.Width);

    public float[] OutputNorm() => Vector(names.OutputNorm, config.Width);

    public LayerWeights Layer(int index)
    {
        var shape = config.Layers[index];
        var queryWidth = config.HeadCount * config.HeadDim;
        var keyWidth = config.KvHeadCount * config.HeadDim;
        return new LayerWeights
        {
            AttentionNorm = Vector(Name(names.AttentionNorm), config.Width),
            Query = Matrix(Name(names.Query), queryWidth, config.Width),
            Key = Matrix(Name(names.Key), keyWidth, config.Width),
            Value = Matrix(Name(names.Value), keyWidth, config.Width),
            Output = Matrix(Name(names.AttentionOutput), config.Width, queryWidth),
            QueryBias = shape.HasQkvBias ? Vector(Name(names.QueryBias), queryWidth) : null,
            KeyBias = shape.HasQkvBias ? Vector(Name(names.KeyBias), keyWidth) : null,
            ValueBias = shape.HasQkvBias ? Vector(Name(names.ValueBias), keyWidth) : null,
            OutputBias = shape.HasOutputBias ? Vector(Name(names.AttentionOutputBias), config.Width) : null,
            QueryNorm = shape.HasQkNorm ? Vector(Name(names.QueryNorm), config.HeadDim) : null,
            KeyNorm = shape.HasQkNorm ? Vector(Name(names.KeyNorm), config.HeadDim) : null,
            FeedForwardNorm = Vector(Name(names.FeedForwardNorm), config.Width),
            Gate = Matrix(Name(names.Gate), config.FeedForwardWidth, config.Width),
            Up = Matrix(Name(names.Up), config.FeedForwardWidth, config.Width),
            Down = Matrix(Name(names.Down), config.Width, config.FeedForwardWidth),
        };

        string Name(string part) => names.Layer(index, part);
    }

    /// <summary>A tensor that nothing reads belongs to a part that would be missing from every result.</summary>
    public void RequireAllRead()
    {
        foreach (var name in source.TensorNames)
        {
            if (_read.Contains(name) || names.IsDerived(name) || !source.TryFind(name, out var stored))
                continue;
            throw new KvasirException(
                KvasirError.Unsupported,
                $"{stored.File}: tensor {MessageText.Name(name)} has no place in a {config.Architecture} "
                    + $"model of {config.LayerCount} layers, and leaving it out would change results");
        }
    }

    private WeightMatrix Matrix(string name, int rows, int columns)
    {
        var (stored, matrix) = Stored(name, rows, columns);
        if (packer.TryPack(matrix, out var packed))
            source.Release(stored);
        return packed;
    }

    private (StoredTensor Stored, WeightMatrix Matrix) Stored(string name, int rows, int columns)
    {
        var stored = Find(name);
        if (!stored.HasShape(rows, columns))
        {
            throw new KvasirException(
                KvasirError.BadFile,
                $"{stored.File}: tensor {MessageText.Name(name)} has the shape {MessageText.Shape(stored.Shape)} ([rows, columns]); "
                    + $"[{rows}, {columns}] was expected");
        }

        return (stored, new WeightMatrix(stored.Type, rows, columns, stored.View));
    }

    private float[] Vector(string name, int count) => StoredVector.Decode(Find(name), count);

    private StoredTensor Find(string name)
    {
        if (!source.TryFind(name, out var stored))
            throw new KvasirException(KvasirError.BadFile, $"{source.Path}: tensor {MessageText.Name(name)} is missing");
        if (_read.Add(name))
            (Bytes, ParameterCount) = (Bytes + stored.View.Bytes, ParameterCount + stored.Shape.Aggregate(1L, static (product, size) => product * size));
        return stored;
    }
}
