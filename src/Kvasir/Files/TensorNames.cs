using System.Globalization;

namespace Kvasir.Files;

/// <summary>How a container spells the parts of a model.</summary>
internal sealed record TensorNames
{
    /// <summary>Frequency factors of rotary positions; GGUF only.</summary>
    public const string RopeFactors = "rope_freqs.weight";

    /// <summary>Frequency factors within the context that a model was first trained with, where it has two sets; GGUF only.</summary>
    public const string ShortRopeFactors = "rope_factors_short.weight";

    /// <summary>Frequency factors beyond that context; GGUF only.</summary>
    public const string LongRopeFactors = "rope_factors_long.weight";

    // What a model that sees pictures, or hears, has beside its text model, whose tensors lie under one of these.
    private static readonly string[] PictureStarts =
    [
        "vision_tower.", "vision_model.", "multi_modal_projector.", "model.vision_tower.", "model.vision_model.", "model.multi_modal_projector.",
        "audio_tower.", "embed_vision.", "embed_audio.", "model.audio_tower.", "model.embed_vision.", "model.embed_audio.", "model.vision_embedder.",
    ];

    private static readonly string[] RotaryBufferEnds = [".rotary_emb.inv_freq", ".rotary_pos_emb.inv_freq", ".position_ids"];

    public static TensorNames Gguf { get; } = new()
    {
        Embedding = "token_embd.weight",
        OutputNorm = "output_norm.weight",
        Output = "output.weight",
        LayerStart = "blk.",
        AttentionNorm = "attn_norm.weight",
        AttentionOutputNorm = "post_attention_norm.weight",
        QueryKeyValue = "attn_qkv.weight",
        QueryKeyValueBias = "attn_qkv.bias",
        Query = "attn_q.weight",
        Key = "attn_k.weight",
        Value = "attn_v.weight",
        AttentionOutput = "attn_output.weight",
        QueryBias = "attn_q.bias",
        KeyBias = "attn_k.bias",
        ValueBias = "attn_v.bias",
        AttentionOutputBias = "attn_output.bias",
        Sinks = "attn_sinks.weight",
        QueryNorm = "attn_q_norm.weight",
        KeyNorm = "attn_k_norm.weight",
        FeedForwardNorm = "ffn_norm.weight",
        FeedForwardOutputNorm = "post_ffw_norm.weight",
        GateUp = "ffn_up.weight",
        Gate = "ffn_gate.weight",
        Up = "ffn_up.weight",
        Down = "ffn_down.weight",
        UpBias = "ffn_up.bias",
        DownBias = "ffn_down.bias",
        LayerScale = "layer_output_scale.weight",
        Experts = ExpertNames.Gguf,
    };

    public static TensorNames HuggingFace { get; } = new()
    {
        Embedding = "model.embed_tokens.weight",
        OutputNorm = "model.norm.weight",
        Output = "lm_head.weight",
        LayerStart = "model.layers.",
        AttentionNorm = "input_layernorm.weight",
        AttentionOutputNorm = "post_attention_layernorm.weight",
        QueryKeyValue = "self_attn.qkv_proj.weight",
        QueryKeyValueBias = "self_attn.qkv_proj.bias",
        Query = "self_attn.q_proj.weight",
        Key = "self_attn.k_proj.weight",
        Value = "self_attn.v_proj.weight",
        AttentionOutput = "self_attn.o_proj.weight",
        QueryBias = "self_attn.q_proj.bias",
        KeyBias = "self_attn.k_proj.bias",
        ValueBias = "self_attn.v_proj.bias",
        AttentionOutputBias = "self_attn.o_proj.bias",
        Sinks = "self_attn.sinks",
        QueryNorm = "self_attn.q_norm.weight",
        KeyNorm = "self_attn.k_norm.weight",
        FeedForwardNorm = "post_attention_layernorm.weight",
        FeedForwardOutputNorm = "post_feedforward_layernorm.weight",
        GateUp = "mlp.gate_up_proj.weight",
        Gate = "mlp.gate_proj.weight",
        Up = "mlp.up_proj.weight",
        Down = "mlp.down_proj.weight",
        UpBias = "mlp.up_proj.bias",
        DownBias = "mlp.down_proj.bias",
        LayerScale = "layer_scalar",
        Experts = ExpertNames.HuggingFace,
    };

    public required string Embedding { get; init; }

    /// <summary>Learned positions; null where no model has them.</summary>
    public string? Positions { get; init; }

    public required string OutputNorm { get; init; }

    public required string Output { get; init; }

    public required string LayerStart { get; init; }

    public required string AttentionNorm { get; init; }

    /// <summary>The same where the feed-forward part beside it has a norm of its own; null where that changes no name.</summary>
    public string? AttentionNormOfTwo { get; init; }

    /// <summary>Of what attention adds, where there is one.</summary>
    public required string AttentionOutputNorm { get; init; }

    /// <summary>Rows of queries, keys and values in one matrix, where they do not lie apart.</summary>
    public required string QueryKeyValue { get; init; }

    public required string QueryKeyValueBias { get; init; }

    public required string Query { get; init; }

    public required string Key { get; init; }

    public required string Value { get; init; }

    public required string AttentionOutput { get; init; }

    public required string QueryBias { get; init; }

    public required string KeyBias { get; init; }

    public required string ValueBias { get; init; }

    public required string AttentionOutputBias { get; init; }

    public required string Sinks { get; init; }

    public required string QueryNorm { get; init; }

    public required string KeyNorm { get; init; }

    public required string FeedForwardNorm { get; init; }

    /// <summary>Of what the feed-forward part adds, where there is one.</summary>
    public required string FeedForwardOutputNorm { get; init; }

    /// <summary>Rows of gate and up in one matrix, where they do not lie apart.</summary>
    public required string GateUp { get; init; }

    public required string Gate { get; init; }

    public required string Up { get; init; }

    public required string Down { get; init; }

    public required string UpBias { get; init; }

    public required string DownBias { get; init; }

    /// <summary>[1]: what all that comes out of a layer is multiplied by, where there is one.</summary>
    public required string LayerScale { get; init; }

    public required ExpertNames Experts { get; init; }

    /// <summary>
    /// Whether the rows of <see cref="QueryKeyValue"/> lie by group of heads: the queries that share a key, the key,
    /// the value. Otherwise all queries come first.
    /// </summary>
    public bool JoinsByGroup { get; init; }

    /// <summary>How names of tensors end that follow from the configuration, beside those that do in every family.</summary>
    public string[] DerivedEnds { get; init; } = [];

    /// <summary>Whether norms are stored without the 1 that belongs to each of their weights.</summary>
    public bool NormsLackOne { get; init; }

    /// <summary>Whether tensors that see pictures are left aside.</summary>
    public bool IsOfText { get; private init; }

    /// <summary>The same names where a model that sees pictures too has its text model; these, where the source has none such.</summary>
    public TensorNames In(ITensorSource source)
    {
        foreach (var (start, own) in (ReadOnlySpan<(string, string)>)[("", "language_model."), ("model.", "model.language_model.")])
        {
            if (Embedding.StartsWith(start, StringComparison.Ordinal) && source.TryFind(own + Embedding[start.Length..], out _))
            {
                var head = source.TryFind(own + Output, out _) ? own + Output : Output;
                return this with
                {
                    IsOfText = true,
                    Embedding = Inside(Embedding),
                    OutputNorm = Inside(OutputNorm),
                    LayerStart = Inside(LayerStart),
                    Output = head,
                };
            }

            string Inside(string name) => own + name[start.Length..];
        }

        return WithoutHead(source);
    }

    // Models that were saved without what gives logits lack the outermost part of their names.
    private TensorNames WithoutHead(ITensorSource source)
    {
        const string Outermost = "model.";
        if (!Embedding.StartsWith(Outermost, StringComparison.Ordinal) || source.TryFind(Embedding, out _) || !source.TryFind(Inner(Embedding), out _))
            return this;
        return this with
        {
            Embedding = Inner(Embedding),
            Positions = Positions is null ? null : Inner(Positions),
            OutputNorm = Inner(OutputNorm),
            LayerStart = Inner(LayerStart),
        };

        static string Inner(string name) => name[Outermost.Length..];
    }

    /// <summary>How the bias beside a weight is spelled.</summary>
    public static string BiasOf(string weight) => weight[..weight.LastIndexOf('.')] + ".bias";

    /// <summary>The full name of a part of a layer.</summary>
    public string Layer(int index, string part) => string.Create(CultureInfo.InvariantCulture, $"{LayerStart}{index}.{part}");

    /// <summary>Which layer a tensor belongs to; null for none.</summary>
    public int? LayerOf(string name)
    {
        if (!name.StartsWith(LayerStart, StringComparison.Ordinal))
            return null;
        var number = name.AsSpan(LayerStart.Length);
        var end = number.IndexOf('.');
        return end > 0 && int.TryParse(number[..end], NumberStyles.None, CultureInfo.InvariantCulture, out var layer) ? layer : null;
    }

    /// <summary>Whether a tensor may be left unread: its content follows from the configuration.</summary>
    public bool IsDerived(string name) => name is RopeFactors or ShortRopeFactors or LongRopeFactors || name == Output
        || Array.Exists(DerivedEnds, end => name.EndsWith(end, StringComparison.Ordinal))
        || Array.Exists(RotaryBufferEnds, end => name.EndsWith(end, StringComparison.Ordinal))
        || (IsOfText && Array.Exists(PictureStarts, start => name.StartsWith(start, StringComparison.Ordinal)));
}
