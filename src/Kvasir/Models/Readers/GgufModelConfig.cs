using Kvasir.Files;
using Kvasir.Kernels.Elementwise;
using Kvasir.Models.Configs;

namespace Kvasir.Models.Readers;

/// <summary>Reads a <see cref="ModelConfig"/> from GGUF metadata, whose keys begin with the architecture's name.</summary>
internal static class GgufModelConfig
{
    private const string TokensKey = "tokenizer.ggml.tokens";
    private const string KvHeadsKey = "attention.head_count_kv";

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

    public static ModelConfig Read(GgufKeys keys, ModelFamily family)
    {
        // Models that embed texts attend to what follows as well.
        keys.RequireTrue("attention.causal");
        var config = family.FromGguf(keys, ReadSizes(keys, family));
        var rope = GgufRopeConfig.Read(keys, family, config.HeadDim, config.ContextTokens);
        RefuseUnread(keys, config.HeadDim);
        return config with
        {
            Rope = rope,
            WindowRope = config.Attention.FullLayers is null ? null : family.WindowRope?.Invoke(config, rope),
            ContextTokens = rope.StretchedContext(config.ContextTokens),
        };
    }

    private static void RefuseUnread(GgufKeys keys, int headDim)
    {
        if (!keys.IsRead("attention.scale"))
            RequireUsualScale(keys, "attention.scale", headDim);
        foreach (var (key, neutral) in NeutralKeys)
        {
            if (!keys.IsRead(key))
                keys.RequireNeutral(key, neutral);
        }

        UnreadSettings.Refuse(keys);
    }

    private static ModelConfig ReadSizes(GgufKeys keys, ModelFamily family)
    {
        var epsilonKey = family.Norm == NormKind.RootMeanSquare ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon";
        var width = keys.RequiredCount("embedding_length", ConfigFields.WidthLimit);
        var heads = Uniform(keys, "attention.head_count", ConfigFields.HeadLimit) ?? throw keys.Missing("attention.head_count");
        return new ModelConfig
        {
            Architecture = keys.Architecture,
            Name = ReadName(keys),
            Layers = LayerShapes.Alike(keys.RequiredCount("block_count", ConfigFields.LayerLimit), new LayerShape()),
            Width = width,
            FeedForwardWidth = Uniform(keys, "feed_forward_length", ConfigFields.WidthLimit) ?? throw keys.Missing("feed_forward_length"),
            HeadCount = heads,
            // The family reads those of each layer.
            KvHeadCount = family.HasWindowHeads && keys.IsArray(KvHeadsKey) ? 1 : Uniform(keys, KvHeadsKey, ConfigFields.HeadLimit) ?? heads,
            HeadDim = ReadHeadDim(keys, width, heads),
            VocabularySize = ReadVocabularySize(keys.File, width),
            ContextTokens = keys.RequiredCount("context_length", ConfigFields.ContextLimit),
            Norm = family.Norm,
            Gate = family.Gate,
            NormEpsilon = keys.Epsilon(epsilonKey) ?? throw keys.Missing(epsilonKey),
            Rope = new RopeConfig { Order = RopeOrder.Halves, Dim = 2, Base = 1 },
            SlidingWindowTokens = keys.Count("attention.sliding_window", int.MaxValue),
            TiedEmbedding = !keys.File.TryFind(TensorNames.Gguf.Output, out _),
        };
    }

    private static string ReadName(GgufKeys keys) => MessageText.Line(
        keys.Notes.Advice(() => keys.File.Metadata.String("general.name"), null) is { Length: > 0 } name
            ? name
            : Path.GetFileNameWithoutExtension(keys.File.Path));

    // Files of pruned models hold one number per layer; here all layers are alike.
    private static int? Uniform(GgufKeys keys, string key, int limit)
    {
        if (!keys.IsArray(key))
            return keys.Count(key, limit);
        if (keys.Count(key) > ConfigFields.LayerLimit)
            throw keys.Bad(key, $"has {keys.Count(key)} elements; the limit is {ConfigFields.LayerLimit}");
        var counts = keys.Integers(key)!;
        if (counts.Length == 0)
            return null;
        if (counts.AsSpan().ContainsAnyExcept(counts[0]))
            throw keys.Unsupported(key, "differs between layers, which is not supported");
        if (counts[0] is 0 or -1)
            return null;
        return counts[0] >= 1 && counts[0] <= limit ? counts[0] : throw keys.Bad(key, $"is {counts[0]} in every layer; 1 to {limit} is allowed");
    }

    private static int ReadHeadDim(GgufKeys keys, int width, int heads)
    {
        const string ValueLength = "attention.value_length";
        var dim = keys.Count("attention.key_length", ConfigFields.HeadDimLimit) ?? width / heads;
        if (dim is < 1 or > ConfigFields.HeadDimLimit)
            throw keys.Bad(
                "attention.head_count", $"is {heads} at a width of {width}: heads of {dim}; 1 to {ConfigFields.HeadDimLimit} is allowed");
        if ((keys.Count(ValueLength, ConfigFields.HeadDimLimit) ?? width / heads) is var values && values != dim)
            throw keys.Unsupported(ValueLength, $"is {values} and the keys' length {dim}; only equal lengths are supported");
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
    private static void RequireUsualScale(GgufKeys fields, string key, int headDim)
    {
        const double Rounding = 1e-5;
        if (fields.Number(key) is { } scale and not 0 && Math.Abs((scale * Math.Sqrt(headDim)) - 1) > Rounding)
            throw fields.Unsupported(key, $"is {scale}; only 1 / sqrt({headDim}), the head dimension, is supported");
    }
}
