using Kvasir.Files;
using Kvasir.Kernels.Elementwise;
using Kvasir.Kernels.Matrix;
using Kvasir.Kernels.Memory;
using Kvasir.Models.Configs;

namespace Kvasir.Models;

/// <summary>Finds the tensors of a model by name and holds every shape against the configuration.</summary>
/// <param name="lowRank">What makes values narrower; null where they are what the file has.</param>
internal sealed class WeightsReader(ITensorSource source, TensorNames names, ModelConfig config, WeightPacker packer, LowRankValues? lowRank)
{
    private readonly HashSet<string> _read = [];

    /// <summary>Bytes of all tensors that were read.</summary>
    public long Bytes { get; private set; }

    /// <summary>Numbers of all tensors that were read.</summary>
    public long ParameterCount { get; private set; }

    /// <summary>As stored: rows of it are looked up.</summary>
    public WeightMatrix Embedding() => Stored(names.Embedding, config.VocabularySize, config.Width).Matrix;

    /// <summary>[ContextTokens, Width], from the first position; null where positions are not learned.</summary>
    public WeightMatrix? Positions()
    {
        if (config.UnusedPositions is not { } unused)
            return null;
        var whole = Stored(names.Positions!, config.ContextTokens + unused, config.Width).Matrix;
        var first = unused * whole.RowBytes;
        return new WeightMatrix(whole.Type, config.ContextTokens, config.Width, whole.Data.Slice(first, whole.Bytes - first));
    }

    /// <summary>A tied output is the embedding; its packed form is a second copy.</summary>
    public WeightMatrix Output() => Matrix(config.TiedEmbedding ? names.Embedding : names.Output, config.VocabularySize, config.Width);

    /// <summary>What scales the logits is in it: multiplied once here, and not in every row of logits.</summary>
    public float[] OutputNorm()
    {
        var norm = Norm(names.OutputNorm, config.Width);
        VectorMath.Scale(norm, config.LogitScale);
        return norm;
    }

    public LayerWeights Layer(int index)
    {
        var shape = config.Layers[index];
        var heads = config.HeadsOf(shape);
        var (queryWidth, keyWidth) = (config.HeadCount * heads.Dim, heads.KvHeadCount * heads.Dim);
        ReadOnlySpan<int> projected = shape.ValuesAreKeys ? [queryWidth, keyWidth] : [queryWidth, keyWidth, keyWidth];
        var matrices = Parts(Name(names.QueryKeyValue), [Name(names.Query), Name(names.Key), Name(names.Value)], projected, lowRank is null ? -1 : 2);
        var biases = shape.HasQkvBias
            ? VectorParts(Name(names.QueryKeyValueBias), [Name(names.QueryBias), Name(names.KeyBias), Name(names.ValueBias)], projected, shape.QkvBiases)
            : null;
        var (value, output, valueBias, outputBias) = Attended(index, shape.ValuesAreKeys ? default : matrices[2], biases?[2]);
        var (gate, up, down) = shape.HasDenseFeedForward ? FeedForward(index, shape.Experts is null or { HasOwnNorms: true }) : default;
        var norm = shape.HasTwoNorms ? names.AttentionNormOfTwo ?? names.AttentionNorm : names.AttentionNorm;
        var (isBefore, isAfter) = (shape.Norms != NormPlacement.After, shape.Norms != NormPlacement.Before);
        return new LayerWeights
        {
            AttentionNorm = isBefore ? Norm(Name(norm), config.Width) : null,
            AttentionOutputNorm = isAfter ? Norm(Name(names.AttentionOutputNorm), config.Width) : null,
            Query = matrices[0],
            Key = matrices[1],
            Value = value,
            Output = output,
            QueryBias = biases?[0],
            KeyBias = biases?[1],
            ValueBias = valueBias,
            OutputBias = outputBias,
            Sinks = shape.HasSinks ? Vector(Name(names.Sinks), config.HeadCount) : null,
            QueryNorm = HeadNorm(Name(names.QueryNorm), shape.QkNorm, queryWidth, heads.Dim),
            KeyNorm = HeadNorm(Name(names.KeyNorm), shape.QkNorm, keyWidth, heads.Dim),
            FeedForwardNorm = isBefore && (!shape.IsParallel || shape.HasTwoNorms) ? Norm(Name(names.FeedForwardNorm), config.Width) : null,
            FeedForwardOutputNorm = isAfter ? Norm(Name(names.FeedForwardOutputNorm), config.Width) : null,
            Scale = shape.HasScale ? Vector(Name(names.LayerScale), 1)[0] : 1,
            Gate = gate,
            Up = up,
            Down = down,
            UpBias = shape.HasFeedForwardBias ? Vector(Name(names.UpBias), config.FeedForwardWidth) : null,
            DownBias = shape.HasFeedForwardBias ? Vector(Name(names.DownBias), config.Width) : null,
            // Guesses are made by the model's own experts.
            Experts = shape.Experts is null || !packer.ReplacesStored ? null : new ExpertWeightsReader(this, source, names, config, packer).Layer(index),
        };

        string Name(string part) => names.Layer(index, part);
    }

    /// <summary>A tensor that nothing reads belongs to a part that would be missing from every result.</summary>
    public void RequireAllRead()
    {
        foreach (var name in source.OtherNames)
        {
            // Refused by its type.
            if (!names.IsDerived(name))
                source.TryFind(name, out _);
        }

        foreach (var name in source.TensorNames)
        {
            if (_read.Contains(name) || names.IsDerived(name) || !(source.TryFindBytes(name, out var stored) || source.TryFind(name, out stored)))
                continue;
            throw new KvasirException(
                KvasirError.Unsupported,
                $"{stored.File}: tensor {MessageText.Name(name)} has no place in a {config.Architecture} "
                    + $"model of {config.LayerCount} layers, and leaving it out would change results");
        }
    }

    /// <summary>A matrix as the source has it.</summary>
    public (StoredTensor Stored, WeightMatrix Matrix) Stored(string name, int rows, int columns)
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

    /// <summary>Several matrices in one tensor.</summary>
    public StoredTensor Stored(string name, int count, int rows, int columns)
    {
        var stored = Find(name);
        return stored.HasShape(count, rows, columns) && columns % WeightLayout.BlockElements(stored.Type) == 0
            ? stored
            : throw new KvasirException(
                KvasirError.BadFile,
                $"{stored.File}: tensor {MessageText.Name(name)} of {stored.Type} has the shape {MessageText.Shape(stored.Shape)} ([matrices, rows, columns]); "
                    + $"[{count}, {rows}, {columns}] was expected");
    }

    /// <summary>Bytes that are no numbers by themselves.</summary>
    public StoredTensor StoredBytes(string name, params ReadOnlySpan<long> shape)
    {
        if (!source.TryFindBytes(name, out var stored))
            throw new KvasirException(KvasirError.BadFile, $"{source.Path}: tensor {MessageText.Name(name)} is missing, or not of bytes");
        if (!stored.HasShape(shape))
        {
            throw new KvasirException(
                KvasirError.BadFile,
                $"{stored.File}: tensor {MessageText.Name(name)} has the shape {MessageText.Shape(stored.Shape)}; {MessageText.Shape(shape)} was expected");
        }

        // Two numbers to a byte, but in what scales them.
        if (_read.Add(name))
            (Bytes, ParameterCount) = (Bytes + stored.View.Bytes, ParameterCount + (shape.Length == 4 ? 2 * stored.View.Bytes : 0));
        return stored;
    }

    // What values are of, and what is made of those that were attended: both change where values are narrower.
    private (WeightMatrix Value, WeightMatrix Output, float[]? ValueBias, float[]? OutputBias) Attended(int index, in WeightMatrix value, float[]? valueBias)
    {
        var (name, width) = (names.Layer(index, names.AttentionOutput), config.HeadCount * config.HeadsOf(config.Layers[index]).Dim);
        var bias = config.Layers[index].HasOutputBias ? Vector(names.Layer(index, names.AttentionOutputBias), config.Width) : null;
        if (lowRank is null)
            return (value, Matrix(name, config.Width, width), valueBias, bias);
        var output = Stored(name, config.Width, width);
        var made = lowRank.Of(value, output.Matrix, valueBias, bias);
        source.Release(output.Stored);
        if (source.TryFind(names.Layer(index, names.Value), out var stored))
            source.Release(stored);
        return (made.Value, made.Output, null, made.OutputBias);
    }

    // The part that every row goes through is spelled otherwise where it stands beside experts.
    private (WeightMatrix Gate, WeightMatrix Up, WeightMatrix Down) FeedForward(int index, bool isAlone)
    {
        var (shared, width) = (names.Experts, config.FeedForwardWidth);
        var (joined, gate, up, down) = isAlone
            ? (names.GateUp, names.Gate, names.Up, names.Down)
            : (shared.SharedGateUp, shared.SharedGate, shared.SharedUp, shared.SharedDown);
        if (!config.HasGate)
            return (default, Matrix(names.Layer(index, up), width, config.Width), Matrix(names.Layer(index, down), config.Width, width));
        var widened = Parts(names.Layer(index, joined), [names.Layer(index, gate), names.Layer(index, up)], [width, width]);
        return (widened[0], widened[1], Matrix(names.Layer(index, down), config.Width, width));
    }

    private WeightMatrix Matrix(string name, int rows, int columns) => Packed(name, [rows], columns)[0];

    // Matrices that share their input lie apart, or below each other in one. The part that is to be as it lies is not packed.
    private WeightMatrix[] Parts(string joined, ReadOnlySpan<string> apart, ReadOnlySpan<int> rows, int asItLies = -1)
    {
        if (IsJoined(joined, apart[0], rows))
            return names.JoinsByGroup && rows.Length == 3 ? Gathered(joined, rows, asItLies) : Packed(joined, rows, config.Width, asItLies);
        var parts = new WeightMatrix[rows.Length];
        for (var i = 0; i < parts.Length; i++)
            parts[i] = i == asItLies ? Stored(apart[i], rows[i], config.Width).Matrix : Matrix(apart[i], rows[i], config.Width);
        return parts;
    }

    private float[]?[] VectorParts(string joined, ReadOnlySpan<string> apart, ReadOnlySpan<int> counts, ProjectionBiases biases)
    {
        var parts = new float[]?[counts.Length];
        if (!IsJoined(joined, apart[0], counts))
        {
            for (var i = 0; i < parts.Length; i++)
                parts[i] = biases.HasFlag((ProjectionBiases)(1 << i)) ? Vector(apart[i], counts[i]) : null;
            return parts;
        }

        var (whole, first) = (Vector(joined, Sum(counts)), 0);
        for (var i = 0; i < parts.Length && names.JoinsByGroup; i++)
            parts[i] = GroupedRows.Gather(config, whole, i);
        if (names.JoinsByGroup)
            return parts;
        for (var i = 0; i < parts.Length; first += counts[i++])
            parts[i] = whole[first..(first + counts[i])];
        return parts;
    }

    // A joined matrix may have the name of one that stands alone elsewhere: its rows tell.
    private bool IsJoined(string joined, string first, ReadOnlySpan<int> rows) =>
        !source.TryFind(first, out _) && source.TryFind(joined, out var stored) && stored.Shape[0] == Sum(rows);

    private WeightMatrix[] Packed(string name, ReadOnlySpan<int> rows, int columns, int asItLies = -1)
    {
        var (stored, whole) = Stored(name, Sum(rows), columns);
        var rowBytes = whole.Bytes / whole.Rows;
        var (parts, first, isCopied) = (new WeightMatrix[rows.Length], 0, true);
        for (var i = 0; i < parts.Length; first += rows[i++])
        {
            var part = new WeightMatrix(stored.Type, rows[i], columns, stored.View.Slice(first * rowBytes, rows[i] * rowBytes));
            parts[i] = part;
            isCopied &= i != asItLies && packer.TryPack(part, out parts[i]);
        }

        if (isCopied && packer.ReplacesStored)
            source.Release(stored);
        return parts;
    }

    // Rows of one matrix lie apart in what is joined so: they are gathered first.
    private WeightMatrix[] Gathered(string name, ReadOnlySpan<int> rows, int asItLies)
    {
        var (stored, whole) = Stored(name, Sum(rows), config.Width);
        var parts = new WeightMatrix[rows.Length];
        for (var i = 0; i < parts.Length; i++)
        {
            var buffer = NativeBuffer.Uninitialized(rows[i] * whole.RowBytes);
            GroupedRows.Gather(config, stored.View, whole.RowBytes, i, buffer.View);
            var part = new WeightMatrix(stored.Type, rows[i], config.Width, buffer.View);
            parts[i] = part;
            if (i != asItLies && packer.TryPack(part, out parts[i]))
                buffer.Dispose();
            else
                packer.Keep(buffer);
        }

        if (packer.ReplacesStored)
            source.Release(stored);
        return parts;
    }

    private float[]? HeadNorm(string name, QkNorm norm, int rowWidth, int headDim) => norm switch
    {
        QkNorm.None => null,
        QkNorm.Row => Norm(name, rowWidth),
        QkNorm.OwnHeads => Vector(name, rowWidth, headDim),
        _ => Norm(name, headDim),
    };

    /// <summary>Weights of a norm, and its biases behind them where there are some.</summary>
    public float[] Norm(string name, int count)
    {
        var norm = Vector(name, count);
        for (var i = 0; i < count && names.NormsLackOne; i++)
            norm[i] += 1;
        return config.Norm == NormKind.MeanAndVarianceWithBias ? [.. norm, .. Vector(TensorNames.BiasOf(name), count)] : norm;
    }

    /// <summary>[<paramref name="rows"/>, <paramref name="count"/>] as one vector.</summary>
    public float[] Vectors(string name, int rows, int count) => Vector(name, rows * count, count);

    private float[] Vector(string name, int count) => StoredVector.Decode(Find(name), count);

    // [count / columns, columns] as one vector; files have it either way.
    private float[] Vector(string name, int count, int columns)
    {
        var stored = Find(name);
        return StoredVector.Decode(stored.HasShape(count / columns, columns) ? stored with { Shape = [count] } : stored, count);
    }

    private static int Sum(ReadOnlySpan<int> counts)
    {
        var sum = 0;
        foreach (var count in counts)
            sum += count;
        return sum;
    }

    private StoredTensor Find(string name)
    {
        if (!source.TryFind(name, out var stored))
            throw new KvasirException(KvasirError.BadFile, $"{source.Path}: tensor {MessageText.Name(name)} is missing");
        if (_read.Add(name))
            (Bytes, ParameterCount) = (Bytes + stored.View.Bytes, ParameterCount + stored.Shape.Aggregate(1L, static (product, size) => product * size));
        return stored;
    }
}
