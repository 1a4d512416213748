using Kvasir.Files;
using Kvasir.Kernels.Elementwise;

namespace Kvasir.Models.Configs;

/// <summary>Reads a <see cref="ModelConfig"/> from GGUF metadata, whose keys begin with the architecture's name.</summary>
internal static class GgufModelConfig
{
    private const string TokensKey = "tokenizer.ggml.tokens";
    private static readonly string[] Architectures = ["llama", "qwen2", "qwen3"];

    // Settings that other members of the family use: read past, they would change every logit. 0 is how tools write none.
    private static readonly (string Key, double[] Neutral)[] NeutralKeys =
    [
        ("expert_count", [0, -1]),
        ("logit_scale", [1, 0]),
        ("embedding_scale", [1, 0]),
        ("residual_scale", [1, 0]),
        ("attn_logit_softcapping", [0, -1]),
        ("final_logit_softcapping", [0, -1]),
        ("attention.clamp_kqv", [0, -1]),
        ("attention.max_alibi_bias", [0, -1]),
    ];

    public static ModelConfig Read(Gguf file)
    {
        var fields = file.Metadata;
        var architecture = fields.String("general.architecture") ?? throw fields.Missing("general.architecture");
        if (!Architectures.Contains(architecture))
        {
            throw new KvasirException(
                KvasirError.Unsupported,
                $"{file.Path}: the architecture {MessageText.Name(architecture)} is not supported; supported in GGUF are {string.Join(", ", Architectures)}");
        }

        foreach (var (key, neutral) in NeutralKeys)
            ((IConfigFields)fields).RequireNeutral($"{architecture}.{key}", neutral);
        // Models that embed texts attend to what follows as well.
        fields.RequireTrue($"{architecture}.attention.causal");
        var config = ReadSizes(file, architecture);
        RequireUsualScale(fields, $"{architecture}.attention.scale", config.HeadDim);
        var rope = GgufRopeConfig.Read(file, architecture, config.HeadDim, config.ContextTokens);
        return (config with { Rope = rope, ContextTokens = rope.StretchedContext(config.ContextTokens) }).RequireSound(file.Path);
    }

    private static ModelConfig ReadSizes(Gguf file, string architecture)
    {
        var fields = file.Metadata;
        var width = fields.RequiredCount($"{architecture}.embedding_length", ConfigFields.WidthLimit);
        var heads = Uniform(fields, $"{architecture}.attention.head_count", ConfigFields.HeadLimit)
            ?? throw fields.Missing($"{architecture}.attention.head_count");
        return new ModelConfig
        {
            Architecture = architecture,
            Name = MessageText.Line(
                fields.Notes.Advice(() => fields.String("general.name"), null) is { Length: > 0 } name ? name : Path.GetFileNameWithoutExtension(file.Path)),
            LayerCount = fields.RequiredCount($"{architecture}.block_count", ConfigFields.LayerLimit),
            Width = width,
            FeedForwardWidth = Uniform(fields, $"{architecture}.feed_forward_length", ConfigFields.WidthLimit)
                ?? throw fields.Missing($"{architecture}.feed_forward_length"),
            HeadCount = heads,
            KvHeadCount = Uniform(fields, $"{architecture}.attention.head_count_kv", ConfigFields.HeadLimit) ?? heads,
            HeadDim = ReadHeadDim(fields, architecture, width, heads),
            VocabularySize = ReadVocabularySize(file, width),
            ContextTokens = fields.RequiredCount($"{architecture}.context_length", ConfigFields.ContextLimit),
            NormEpsilon = fields.Epsilon($"{architecture}.attention.layer_norm_rms_epsilon")
                ?? throw fields.Missing($"{architecture}.attention.layer_norm_rms_epsilon"),
            Rope = new RopeConfig { Order = RopeOrder.Halves, Dim = 2, Base = 1 },
            SlidingWindowTokens = fields.Count($"{architecture}.attention.sliding_window", int.MaxValue),
            TiedEmbedding = !file.TryFind(TensorNames.Gguf.Output, out _),
            HasQkvBias = architecture == "qwen2" || (architecture == "llama" && file.TryFind(TensorNames.Gguf.Layer(0, TensorNames.Gguf.QueryBias), out _)),
            HasOutputBias = architecture == "llama" && file.TryFind(TensorNames.Gguf.Layer(0, TensorNames.Gguf.AttentionOutputBias), out _),
            HasQkNorm = architecture == "qwen3",
        };
    }

    // Files of pruned models hold one number per layer; here all layers are alike.
    private static int? Uniform(GgufMetadata fields, string key, int limit)
    {
        if (!fields.IsArray(key))
            return fields.Count(key, limit);
        if (fields.Count(key) > ConfigFields.LayerLimit)
            throw fields.Bad(key, $"has {fields.Count(key)} elements; the limit is {ConfigFields.LayerLimit}");
        var counts = fields.Integers(key)!;
        if (counts.Length == 0)
            return null;
        if (counts.AsSpan().ContainsAnyExcept(counts[0]))
            throw ((IConfigFields)fields).Unsupported(key, "differs between layers, which is not supported");
        if (counts[0] is 0 or -1)
            return null;
        return counts[0] >= 1 && counts[0] <= limit ? counts[0] : throw fields.Bad(key, $"is {counts[0]} in every layer; 1 to {limit} is allowed");
    }

    private static int ReadHeadDim(GgufMetadata fields, string architecture, int width, int heads)
    {
        var keyLength = $"{architecture}.attention.key_length";
        var valueLength = $"{architecture}.attention.value_length";
        var dim = fields.Count(keyLength, ConfigFields.HeadDimLimit) ?? width / heads;
        if (dim is < 1 or > ConfigFields.HeadDimLimit)
            throw fields.Bad(
                $"{architecture}.attention.head_count", $"is {heads} at a width of {width}: heads of {dim}; 1 to {ConfigFields.HeadDimLimit} is allowed");
        if ((fields.Count(valueLength, ConfigFields.HeadDimLimit) ?? width / heads) is var values && values != dim)
            throw ((IConfigFields)fields).Unsupported(valueLength, $"is {values} and the keys' length {dim}; only equal lengths are supported");
        return dim;
    }

    private static int ReadVocabularySize(Gguf file, int width)
    {
        if (!file.TryFind(TensorNames.Gguf.Embedding, out var embedding))
            throw new KvasirException(KvasirError.BadFile, $"{file.Path}: tensor {MessageText.Name(TensorNames.Gguf.Embedding)} is missing");
        // Whether its axes are the right ones is seen where it is read.
        var elements = embedding.Shape.Aggregate(1L, static (product, size) => product * size);
        var rows = elements % width == 0 ? elements / width : 0;
        if (rows is < 1 or > ConfigFields.VocabularyLimit)
        {
            throw new KvasirException(
                KvasirError.BadFile,
                $"{embedding.File}: tensor {MessageText.Name(embedding.Name)} has the shape {MessageText.Shape(embedding.Shape)}; "
                    + $"[width, 1 to {ConfigFields.VocabularyLimit}] is expected");
        }

        if (file.Metadata.Count(TokensKey) is { } tokens && tokens != rows)
            throw file.Metadata.Bad(TokensKey, $"has {tokens} tokens, and tensor {MessageText.Name(embedding.Name)} {rows} rows");
        return (int)rows;
    }

    // Of floats, whose rounding differs from one writer to the next.
    private static void RequireUsualScale(IConfigFields fields, string key, int headDim)
    {
        const double Rounding = 1e-5;
        if (fields.Number(key) is { } scale and not 0 && Math.Abs((scale * Math.Sqrt(headDim)) - 1) > Rounding)
            throw fields.Unsupported(key, $"is {scale}; only 1 / sqrt({headDim}), the head dimension, is supported");
    }
}
