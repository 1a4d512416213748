using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text.Json;
using Kvasir.Cache;
using Kvasir.Files;
using Kvasir.Ground;
using Kvasir.Kernels.Matrix;
using Kvasir.Models.Configs;

namespace Kvasir.Attention.Indexes;

/// <summary>
/// The principal axes of a model's rotated keys, of each layer and KV head, most variance first: what <c>kvasir calibrate</c> measures and the policy loki
/// reads. A file is safetensors with one tensor <c>key_axes</c>, F32 [layers, KV heads, dim, dim], whose rows are axes, and metadata that says what it is and
/// of how many tokens.
/// </summary>
internal sealed class KeyAxes
{
    private const string TensorName = "key_axes";
    private readonly float[] _axes;

    /// <param name="axes">[layers, KV heads, dim, dim]</param>
    public KeyAxes(int layerCount, int kvHeadCount, int dim, float[] axes)
    {
        Invariant.Holds(axes.Length == layerCount * kvHeadCount * dim * dim);
        (LayerCount, KvHeadCount, Dim, _axes) = (layerCount, kvHeadCount, dim, axes);
    }

    /// <summary>A hash of all axes.</summary>
    public string Identity => field ??= Hash();

    public int LayerCount { get; }

    public int KvHeadCount { get; }

    public int Dim { get; }

    /// <exception cref="KvasirException">The file is missing, damaged, or holds something else.</exception>
    public static KeyAxes Load(string path)
    {
        using var file = Safetensors.Open(path);
        if (!file.TryFind(TensorName, out var tensor))
            throw new KvasirException(KvasirError.BadFile, $"{path}: there is no tensor {TensorName}; kvasir calibrate writes it");
        if (tensor.Type != WeightType.F32 || tensor.Shape is not [var layers, var heads, var rows, var dim] || rows != dim || layers * heads * dim == 0)
            throw new KvasirException(
                KvasirError.BadFile,
                $"{path}: tensor {TensorName} is {tensor.Type} {MessageText.Shape(tensor.Shape)}; F32 [layers, KV heads, dim, dim] was expected");
        if (layers * heads * dim * dim > Array.MaxLength)
            throw new KvasirException(
                KvasirError.BadFile, $"{path}: tensor {TensorName} has the shape {MessageText.Shape(tensor.Shape)}; the limit is {Array.MaxLength} elements");
        var axes = tensor.View.Span<float>(0, (int)(layers * heads * dim * dim)).ToArray();
        foreach (var x in axes)
        {
            if (!float.IsFinite(x))
                throw new KvasirException(KvasirError.BadFile, $"{path}: tensor {TensorName} holds {x}");
        }

        return new KeyAxes((int)layers, (int)heads, (int)dim, axes);
    }

    /// <summary>Of the keys that a sequence's cache holds, in the layers that see all of them: no policy has to do with others.</summary>
    /// <param name="rowCount">At least 1.</param>
    /// <exception cref="KvasirException">Keys are not finite, or no layer sees all.</exception>
    public static KeyAxes Measure(SequenceCache cache, AttentionShape shape, int rowCount)
    {
        int[] layers = [.. Enumerable.Range(0, shape.LayerCount).Where(shape.SeesAll)];
        if (layers.Length == 0)
            throw new KvasirException(KvasirError.BadOption, $"all {shape.LayerCount} layers have a window, and there are no axes of keys to be measured");
        RequireFinite(cache, layers, shape, rowCount);
        var axes = new float[layers.Length * shape.KvHeadCount * shape.Dim * shape.Dim];
        Parallel.For(0, layers.Length * shape.KvHeadCount, head =>
        {
            var covariance = Covariance(cache.Head(layers[head / shape.KvHeadCount], head % shape.KvHeadCount), rowCount);
            var own = PrincipalAxes.Of(covariance, shape.Dim);
            for (var i = 0; i < own.Length; i++)
                axes[head * own.Length + i] = (float)own[i];
        });
        return new KeyAxes(layers.Length, shape.KvHeadCount, shape.Dim, axes);
    }

    // Axes of what is no number would be found, and be none.
    private static void RequireFinite(SequenceCache cache, int[] layers, AttentionShape shape, int rowCount)
    {
        var key = new float[shape.Dim];
        for (var i = 0; i < layers.Length * shape.KvHeadCount * rowCount; i++)
        {
            var (head, row) = (i / rowCount, i % rowCount);
            var layer = layers[head / shape.KvHeadCount];
            cache.Head(layer, head % shape.KvHeadCount).Keys.Decode(row, key);
            if (Array.FindIndex(key, static x => !float.IsFinite(x)) is var at and >= 0)
                throw new KvasirException(
                    KvasirError.NotFinite,
                    $"layer {layer}, KV head {head % shape.KvHeadCount}: "
                        + $"the key of token {row} has {LogitRow.Shown(key[at])}; there are no axes of such keys");
        }
    }

    /// <summary>[dim, dim]: a head's axes, most variance first.</summary>
    public ReadOnlySpan<float> Head(int layer, int kvHead) => _axes.AsSpan((layer * KvHeadCount + kvHead) * Dim * Dim, Dim * Dim);

    /// <exception cref="KvasirException">The file cannot be written.</exception>
    public void Save(string path, string model, int tokens)
    {
        var header = Header(model, tokens);
        try
        {
            using var stream = File.Create(path);
            var four = new byte[sizeof(ulong)];
            BinaryPrimitives.WriteUInt64LittleEndian(four, (ulong)header.Length);
            stream.Write(four);
            stream.Write(header);
            foreach (var x in _axes)
            {
                BinaryPrimitives.WriteSingleLittleEndian(four, x);
                stream.Write(four, 0, sizeof(float));
            }
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            throw new KvasirException(KvasirError.FileNotFound, $"{path} cannot be written: {MessageText.Line(problem.Message)}", problem);
        }
    }

    private string Hash()
    {
        var bytes = new byte[_axes.Length * sizeof(float)];
        Buffer.BlockCopy(_axes, 0, bytes, 0, bytes.Length);
        return Convert.ToHexString(SHA256.HashData(bytes));
    }

    private byte[] Header(string model, int tokens)
    {
        using var bytes = new MemoryStream();
        using (var writer = new Utf8JsonWriter(bytes))
        {
            writer.WriteStartObject();
            writer.WriteStartObject("__metadata__");
            writer.WriteString("format", "kvasir-key-axes");
            writer.WriteString("model", model);
            writer.WriteString("tokens", $"{tokens}");
            writer.WriteEndObject();
            writer.WriteStartObject(TensorName);
            writer.WriteString("dtype", "F32");
            WriteNumbers(writer, "shape", LayerCount, KvHeadCount, Dim, Dim);
            WriteNumbers(writer, "data_offsets", 0, (long)_axes.Length * sizeof(float));
            writer.WriteEndObject();
            writer.WriteEndObject();
        }

        return bytes.ToArray();
    }

    private static void WriteNumbers(Utf8JsonWriter writer, string name, params ReadOnlySpan<long> numbers)
    {
        writer.WriteStartArray(name);
        foreach (var number in numbers)
            writer.WriteNumberValue(number);
        writer.WriteEndArray();
    }

    // About the mean: what all keys have in common moves all scores of a query alike, and softmax ignores it.
    private static double[] Covariance(KvHead head, int rowCount)
    {
        var dim = head.Dim;
        var (key, centred, mean, sums) = (new float[dim], new double[dim], new double[dim], new double[dim * dim]);
        for (var row = 0; row < rowCount; row++)
        {
            head.Keys.Decode(row, key);
            for (var i = 0; i < dim; i++)
                mean[i] += key[i] / (double)rowCount;
        }

        for (var row = 0; row < rowCount; row++)
        {
            head.Keys.Decode(row, key);
            for (var i = 0; i < dim; i++)
                centred[i] = key[i] - mean[i];
            for (var i = 0; i < dim; i++)
            {
                for (var j = 0; j < dim; j++)
                    sums[i * dim + j] += centred[i] * centred[j] / rowCount;
            }
        }

        return sums;
    }
}
