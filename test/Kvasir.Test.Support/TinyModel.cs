using System.Globalization;
using Kvasir.Files;
using Kvasir.Kernels.Matrix;

namespace Kvasir.Test.Support;

/// <summary>A model of a few kilobytes in both containers, with random weights: one layer, width 32, 4 query heads over 2 KV heads of 8.</summary>
internal static class TinyModel
{
    private const int Width = 32;
    private const int FeedForward = 64;
    private const int Heads = 4;
    private const int KvHeads = 2;
    private const int HeadDim = 8;
    private const int Vocabulary = 16;

    /// <param name="matrices">F32, F16, BF16 or a type with blocks of 32.</param>
    public static GgufWriter Gguf(string architecture = "llama", WeightType matrices = WeightType.Q8_0)
    {
        var writer = new GgufWriter()
            .Set("general.architecture", architecture)
            .Set("general.name", "tiny")
            .Set($"{architecture}.block_count", 1u)
            .Set($"{architecture}.context_length", 256u)
            .Set($"{architecture}.embedding_length", (uint)Width)
            .Set($"{architecture}.feed_forward_length", (uint)FeedForward)
            .Set($"{architecture}.attention.head_count", (uint)Heads)
            .Set($"{architecture}.attention.head_count_kv", (uint)KvHeads)
            .Set($"{architecture}.attention.layer_norm_rms_epsilon", 1e-5f)
            .Set($"{architecture}.rope.freq_base", 10000f)
            .Set("tokenizer.ggml.tokens", Enumerable.Range(0, Vocabulary).Select(i => $"t{i}").ToArray())
            .Set("tokenizer.ggml.scores", Enumerable.Range(0, Vocabulary).Select(i => -(float)i).ToArray())
            .Set("tokenizer.ggml.token_type", Enumerable.Repeat(1, Vocabulary).ToArray())
            .Set("tokenizer.ggml.add_bos_token", true);
        foreach (var (name, shape) in Tensors(TensorNames.Gguf, architecture))
        {
            var type = shape.Length == 1 ? WeightType.F32 : matrices;
            long[] fastestFirst = [.. shape.Reverse()];
            writer.Tensor(name, type, fastestFirst, Content(name, type, shape));
        }

        return writer;
    }

    public static SafetensorsWriter Safetensors(string modelType = "llama", WeightType type = WeightType.BF16)
    {
        var writer = new SafetensorsWriter();
        foreach (var (name, shape) in Tensors(TensorNames.HuggingFace, modelType))
            writer.Tensor(name, type.ToString(), shape, Content(name, type, shape));
        return writer;
    }

    /// <summary>A config.json; <paramref name="more"/> are further or other fields, as JSON.</summary>
    public static string Config(string modelType = "llama", params (string Key, string Json)[] more)
    {
        var fields = new Dictionary<string, string>
        {
            ["model_type"] = $"\"{modelType}\"",
            ["architectures"] = $"[\"{char.ToUpper(modelType[0], CultureInfo.InvariantCulture)}{modelType[1..]}ForCausalLM\"]",
            ["hidden_size"] = $"{Width}",
            ["intermediate_size"] = $"{FeedForward}",
            ["num_hidden_layers"] = "1",
            ["num_attention_heads"] = $"{Heads}",
            ["num_key_value_heads"] = $"{KvHeads}",
            ["head_dim"] = $"{HeadDim}",
            ["vocab_size"] = $"{Vocabulary}",
            ["max_position_embeddings"] = "256",
            ["rms_norm_eps"] = "1e-05",
            ["rope_theta"] = "10000.0",
            ["hidden_act"] = "\"silu\"",
            ["tie_word_embeddings"] = "false",
        };
        foreach (var (key, json) in more)
            fields[key] = json;
        return $"{{{string.Join(", ", fields.Select(field => $"\"{field.Key}\": {field.Value}"))}}}";
    }

    /// <summary>A folder with config.json and model.safetensors.</summary>
    public static void WriteFolder(TempFolder folder, string modelType = "llama", WeightType type = WeightType.BF16)
    {
        folder.Write("config.json", Config(modelType));
        folder.Write("model.safetensors", Safetensors(modelType, type).Build());
    }

    /// <summary>Names and shapes, slowest dimension first.</summary>
    private static IEnumerable<(string Name, long[] Shape)> Tensors(TensorNames names, string architecture)
    {
        yield return (names.Embedding, [Vocabulary, Width]);
        yield return (names.OutputNorm, [Width]);
        yield return (names.Output, [Vocabulary, Width]);
        foreach (var (part, shape) in LayerTensors(names, architecture))
            yield return (names.Layer(0, part), shape);
    }

    private static IEnumerable<(string Part, long[] Shape)> LayerTensors(TensorNames names, string architecture)
    {
        yield return (names.AttentionNorm, [Width]);
        yield return (names.Query, [Heads * HeadDim, Width]);
        yield return (names.Key, [KvHeads * HeadDim, Width]);
        yield return (names.Value, [KvHeads * HeadDim, Width]);
        yield return (names.AttentionOutput, [Width, Heads * HeadDim]);
        if (architecture == "qwen2")
        {
            yield return (names.QueryBias, [Heads * HeadDim]);
            yield return (names.KeyBias, [KvHeads * HeadDim]);
            yield return (names.ValueBias, [KvHeads * HeadDim]);
        }

        if (architecture == "qwen3")
        {
            yield return (names.QueryNorm, [HeadDim]);
            yield return (names.KeyNorm, [HeadDim]);
        }

        yield return (names.FeedForwardNorm, [Width]);
        yield return (names.Gate, [FeedForward, Width]);
        yield return (names.Up, [FeedForward, Width]);
        yield return (names.Down, [Width, FeedForward]);
    }

    private static byte[] Content(string name, WeightType type, long[] shape)
    {
        var elements = shape.Aggregate(1L, (product, size) => product * size);
        var content = new byte[elements / WeightLayout.BlockElements(type) * WeightLayout.BlockBytes(type)];
        var random = new Random(name.Length);
        random.NextBytes(content);

        // Without the highest bit of an exponent, a float of any width is finite.
        var (step, top) = type == WeightType.F32 ? (4, 3) : (2, 1);
        for (var i = top; i < content.Length && WeightLayout.BlockElements(type) == 1; i += step)
            content[i] &= 0xBF;
        return content;
    }
}
