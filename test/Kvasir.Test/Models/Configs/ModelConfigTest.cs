using Kvasir.Files;
using Kvasir.Kernels.Elementwise;
using Kvasir.Kernels.Matrix;
using Kvasir.Models.Configs;
using Kvasir.Models.Families;

namespace Kvasir.Test.Models.Configs;

/// <summary>What configurations are read from both containers, and what they refuse because leaving it out would change results.</summary>
public sealed class ModelConfigTest
{
    [Theory]
    [InlineData("llama", RopeOrder.Interleaved, false, false)]
    [InlineData("qwen2", RopeOrder.Halves, true, false)]
    [InlineData("qwen3", RopeOrder.Halves, false, true)]
    public void GgufArchitecturesDifferInOrderBiasAndNorm(string architecture, RopeOrder order, bool hasBias, bool hasNorm)
    {
        var config = FromGguf(TinyModel.Gguf(architecture));
        Assert.Equal((architecture, order, hasBias, hasNorm), (config.Architecture, config.Rope.Order, config.Layers[0].HasQkvBias, config.Layers[0].QkNorm == QkNorm.Heads));
        Assert.Equal((1, 32, 64, 4, 2, 8, 16, 256), (
            config.LayerCount, config.Width, config.FeedForwardWidth, config.HeadCount, config.KvHeadCount, config.HeadDim, config.VocabularySize, config.ContextTokens));
        Assert.Equal((1e-5f, "tiny", false, null), (config.NormEpsilon, config.Name, config.TiedEmbedding, config.SlidingWindowTokens));
    }

    [Theory]
    [InlineData("llama", false, false)]
    [InlineData("mistral", false, false)]
    [InlineData("qwen2", true, false)]
    [InlineData("qwen3", false, true)]
    public void JsonArchitecturesDifferInBiasAndNorm(string modelType, bool hasBias, bool hasNorm)
    {
        var config = FromJson(TinyModel.Config(modelType));
        Assert.Equal((modelType, RopeOrder.Halves, hasBias, hasNorm), (config.Architecture, config.Rope.Order, config.Layers[0].HasQkvBias, config.Layers[0].QkNorm == QkNorm.Heads));
        Assert.Equal(FromGguf(TinyModel.Gguf()) with { Architecture = "", Name = "", Rope = null! }, config with { Architecture = "", Name = "", Rope = null!, Layers = LayerShapes.Alike(1, new LayerShape()) });
    }

    [Fact]
    public void GgufWithoutAnOutputMatrixIsTied() => Assert.True(FromGguf(TinyModel.Gguf().Without("output.weight")).TiedEmbedding);

    [Fact]
    public void HeadDimIsTheWidthOfAHeadUnlessGiven()
    {
        Assert.Equal(16, FromGguf(TinyModel.Gguf().Set("llama.attention.key_length", 16u).Set("llama.attention.value_length", 16u)).HeadDim);
        Assert.Equal(8, FromJson(TinyModel.Config("llama", ("head_dim", "null"))).HeadDim);
        Assert.Equal(128, FromJson(TinyModel.Config("qwen3", ("head_dim", "null"))).HeadDim);
    }

    [Fact]
    public void OneNumberPerLayerIsReadWhereAllAreEqual()
    {
        Assert.Equal(2, FromGguf(TinyModel.Gguf().Set("llama.attention.head_count_kv", new[] { 2, 2 })).KvHeadCount);
        AssertGgufRefused(TinyModel.Gguf().Set("llama.attention.head_count_kv", new[] { 2, 4 }), KvasirError.Unsupported, "'llama.attention.head_count_kv' differs between layers");
    }

    [Fact]
    public void LlamaBiasesFollowTheFile()
    {
        var config = FromJson(TinyModel.Config("llama", ("attention_bias", "true")));
        Assert.True(config.Layers[0].HasQkvBias && config.Layers[0].HasOutputBias);
        var writer = TinyModel.Gguf().Tensor("blk.0.attn_q.bias", WeightType.F32, [32], new byte[128]);
        Assert.True(FromGguf(writer).Layers[0] is { QkvBiases: ProjectionBiases.Query, HasQkvBias: true, HasOutputBias: false });
    }

    [Theory]
    [InlineData("mistral", "\"sliding_window\": 64", 64)]
    [InlineData("mistral", "\"sliding_window\": null", null)]
    [InlineData("llama", "\"sliding_window\": 64", null)]
    [InlineData("qwen2", "\"sliding_window\": 64, \"use_sliding_window\": false", null)]
    [InlineData("qwen2", "\"sliding_window\": 64, \"use_sliding_window\": true, \"max_window_layers\": 1", null)]
    [InlineData("qwen2", "\"sliding_window\": 64, \"use_sliding_window\": true, \"max_window_layers\": 0", 64)]
    [InlineData("qwen3", "\"sliding_window\": 64, \"use_sliding_window\": true, \"layer_types\": [\"sliding_attention\"]", 64)]
    [InlineData("mistral", "\"sliding_window\": 64, \"layer_types\": [\"full_attention\"]", null)]
    public void SlidingWindowIsReadWhereTheModelUsesIt(string modelType, string fields, int? expected) =>
        Assert.Equal(expected, FromJson(TinyModel.Config(modelType)[..^1] + $", {fields}}}").SlidingWindowTokens);

    [Theory]
    [InlineData(0u, null)]
    [InlineData(128u, 128)]
    public void GgufSlidingWindowOfZeroIsNone(uint value, int? expected) =>
        Assert.Equal(expected, FromGguf(TinyModel.Gguf().Set("llama.attention.sliding_window", value)).SlidingWindowTokens);

    [Theory]
    [InlineData("layer_types", """["sliding_attention", "full_attention"]""")]
    [InlineData("max_window_layers", "2")]
    public void WindowInSomeLayersOnlyIsRefused(string key, string json) => AssertJsonRefused(
        KvasirError.Unsupported, TinyModel.Config("qwen2", ("use_sliding_window", "true"), ("sliding_window", "64"), ("num_hidden_layers", "4"), (key, json)), $"'{key}'");

    [Fact]
    public void OtherArchitecturesAreRefusedByNameWithTheNearestThatAreSupported()
    {
        AssertGgufRefused(TinyModel.Gguf().Set("general.architecture", "mamba2"), KvasirError.Unsupported, "architecture 'mamba2' is not supported (a state space); supported in GGUF are ");
        AssertGgufRefused(TinyModel.Gguf().Set("general.architecture", "qwen2moe"), KvasirError.Unsupported, "'qwen2moe' is not supported (experts)", "are qwen2, qwen3moe, qwen3 ");
        AssertGgufRefused(TinyModel.Gguf().Set("general.architecture", "nonesuch"), KvasirError.Unsupported, "'nonesuch' is not supported; supported in GGUF are ");
        AssertJsonRefused(KvasirError.Unsupported, TinyModel.Config("gemma3n"), "'gemma3n', which is not supported (embeddings of layers)", "gemma3_text");
        AssertJsonRefused(KvasirError.Unsupported, TinyModel.Config("llama", ("architectures", """["LlamaForSequenceClassification"]""")), "'LlamaForSequenceClassification'", "LlamaForCausalLM");
    }

    [Theory]
    [InlineData("llama", "attention_multiplier", "0.5")]
    [InlineData("llama", "final_logit_softcapping", "30.0")]
    [InlineData("qwen3", "layer_types", """["linear_attention"]""")]
    [InlineData("granite", "logit_scale", "0.25")]
    [InlineData("phi3", "qk_layernorm", "true")]
    [InlineData("olmo2", "mlp_bias", "true")]
    public void SettingsOfVariantsThatNobodyReadsAreRefused(string modelType, string key, string json) =>
        AssertJsonRefused(KvasirError.Unsupported, Family(modelType, (key, json)), $"'{key}' is {json}");

    [Theory]
    [InlineData("llama", "attention_multiplier", "null")]
    [InlineData("llama", "residual_multiplier", "1.0")]
    [InlineData("qwen3", "layer_types", """["full_attention"]""")]
    [InlineData("phi3", "qk_layernorm", "false")]
    [InlineData("llama", "dtype", "\"bfloat16\"")]
    [InlineData("llama", "torch_dtype", "\"bfloat16\"")]
    public void SettingsThatChangeNothingAreNot(string modelType, string key, string json) => FromJson(Family(modelType, (key, json)));

    [Fact]
    public void AKeyOfGgufThatNobodyReadsIsRefusedIfItsNameTells()
    {
        AssertGgufRefused(TinyModel.Gguf().Set("llama.attention.output_scale", 0.5f), KvasirError.Unsupported, "'llama.attention.output_scale' is set");
        AssertGgufRefused(TinyModel.Gguf().Set("llama.expert_gate_multiplier", 2f), KvasirError.Unsupported, "'llama.expert_gate_multiplier' is set");
        FromGguf(TinyModel.Gguf().Set("llama.attention.output_scale", 0f));
    }

    [Fact]
    public void AnUntiedHeadIsSaidOrFollowsTheFamily()
    {
        Assert.False(FromJson(Family("granite", ("tie_word_embeddings", "null"))).TiedEmbedding);
        Assert.True(FromJson(Family("smollm3", ("tie_word_embeddings", "null"))).TiedEmbedding);
        Assert.False(FromJson(Family("smollm3", ("tie_word_embeddings", "false"))).TiedEmbedding);
    }

    [Fact]
    public void EveryFourthLayerOfSmolLm3KnowsNoPositionsUnlessAListSaysOtherwise()
    {
        bool[] Rotating(params (string Key, string Json)[] more) => [.. FromJson(Family("smollm3", [("num_hidden_layers", "5"), .. more])).Layers.Select(layer => layer.Rotates)];

        Assert.Equal([true, true, true, false, true], Rotating());
        Assert.Equal([true, false, true, false, true], Rotating(("no_rope_layer_interval", "2")));
        Assert.Equal([false, true, true, true, true], Rotating(("no_rope_layers", "[0, 1, 1, 1, 1]")));
        AssertJsonRefused(KvasirError.BadFile, Family("smollm3", ("no_rope_layers", "[0, 1]")), "'no_rope_layers'");
    }

    [Fact]
    public void FactorsThatAFileLeavesOutAreTheFamilys()
    {
        var mini = FromGguf(TinyModel.Gguf("minicpm"));
        Assert.Equal((12f, 8f, 1.4f), (mini.EmbeddingScale, mini.LogitScale, mini.Layers[0].ResidualScale));
        var granite = FromGguf(TinyModel.Gguf("granite").Set("granite.attention.scale", 0f).Set("granite.logit_scale", 4f));
        Assert.Equal((1f, 0.25f, 1f, null), (granite.EmbeddingScale, granite.LogitScale, granite.Layers[0].ResidualScale, granite.ScoreScale));
        Assert.Equal(1 / MathF.Sqrt(8), granite.Attention.ScoreScale);
    }

    [Fact]
    public void AWindowOfPhi3CountsInFoldersAndWhereItIsShorterThanTheContext()
    {
        Assert.Equal(64, FromJson(Family("phi3", ("sliding_window", "64"))).SlidingWindowTokens);
        Assert.Null(FromJson(Family("phi3", ("sliding_window", "262144"))).SlidingWindowTokens);
        Assert.Null(FromGguf(TinyModel.Gguf("phi3").Set("phi3.attention.sliding_window", 64u)).SlidingWindowTokens);
    }

    // Of Pythia, old spelling; new writers put rotation under rope_parameters. Approximations of GELU are told from it.
    [Fact]
    public void NeoXReadsBothSpellingsOfRotationAndOneGelu()
    {
        const string Sizes = """{"model_type": "gpt_neox", "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": 99, "max_position_embeddings": 64""";
        var old = FromJson(Sizes + """, "rotary_pct": 0.5, "rotary_emb_base": 20000, "layer_norm_eps": 1e-6, "hidden_act": "gelu", "use_parallel_residual": false, "attention_bias": false}""");
        Assert.Equal((16, 20000.0, 1e-6f, false, false), (old.Rope.Dim, old.Rope.Base, old.NormEpsilon, old.Layers[0].IsParallel, old.Layers[0].HasQkvBias));
        var young = FromJson(Sizes + """, "rope_parameters": {"rope_type": "default", "rope_theta": 30000, "partial_rotary_factor": 0.5}}""");
        Assert.Equal((16, 30000.0, 1e-5f, true, true), (young.Rope.Dim, young.Rope.Base, young.NormEpsilon, young.Layers[0].HasTwoNorms, young.Layers[0].HasQkvBias));
        Assert.Equal((8, 1e4), (FromJson(Sizes + "}").Rope.Dim, FromJson(Sizes + "}").Rope.Base));
        AssertJsonRefused(KvasirError.Unsupported, Sizes + """, "hidden_act": "gelu_fast"}""", "'hidden_act' is 'gelu_fast'; only gelu ");
    }

    // 7B and 40B as first published and as now, and 11B: where KV heads and norms come from.
    [Theory]
    [InlineData("falcon", "", 1, false)]
    [InlineData("falcon", ", \"multi_query\": false", 4, false)]
    [InlineData("falcon", ", \"new_decoder_architecture\": true, \"num_kv_heads\": 2", 2, true)]
    [InlineData("falcon", ", \"new_decoder_architecture\": true, \"num_kv_heads\": 2, \"num_ln_in_parallel_attn\": 1", 2, false)]
    [InlineData("RefinedWebModel", ", \"multi_query\": true", 1, false)]
    [InlineData("RefinedWeb", ", \"n_head_kv\": 2", 2, true)]
    public void FalconsSayTheirKvHeadsInSeveralWays(string type, string more, int kvHeads, bool hasTwoNorms)
    {
        var (layers, heads) = type == "falcon" ? ("num_hidden_layers", "num_attention_heads") : ("n_layer", "n_head");
        var sizes = $"\"model_type\": \"{type}\", \"hidden_size\": 64, \"{layers}\": 2, \"{heads}\": 4, \"vocab_size\": 99, \"parallel_attn\": true, \"alibi\": false{more}";
        var config = FromJson($"{{{sizes}}}");
        Assert.Equal((kvHeads, hasTwoNorms, true, true), (config.KvHeadCount, config.Layers[1].HasTwoNorms, config.Layers[1].IsParallel, config.TiedEmbedding));
        Assert.Equal((256, 2048, 16, 1e-5f), (config.FeedForwardWidth, config.ContextTokens, config.Rope.Dim, config.NormEpsilon));
        AssertJsonRefused(KvasirError.Unsupported, $"{{{sizes.Replace("\"alibi\": false", "\"alibi\": true", StringComparison.Ordinal)}}}", "'alibi' is true: positions by a bias of distance");
        AssertJsonRefused(KvasirError.Unsupported, $"{{{sizes.Replace("_attn\": true", "_attn\": false", StringComparison.Ordinal)}}}", "'parallel_attn' is false");
        AssertJsonRefused(KvasirError.Unsupported, $"{{{sizes}, \"activation\": \"gelu_new\"}}", "'activation' is 'gelu_new'; only gelu ");
    }

    // OPT-350M's settings, each by its reason.
    [Theory]
    [InlineData("do_layer_norm_before", "false", "'do_layer_norm_before' is false: models that norm the sum")]
    [InlineData("word_embed_proj_dim", "32", "'word_embed_proj_dim' is 32, and the model is 64 wide")]
    [InlineData("_remove_final_layer_norm", "true", "'_remove_final_layer_norm'")]
    [InlineData("layer_norm_elementwise_affine", "false", "'layer_norm_elementwise_affine'")]
    [InlineData("activation_function", "\"gelu\"", "'activation_function' is 'gelu'; only relu")]
    public void WhatOptsDoOtherwiseIsRefused(string key, string json, string problem)
    {
        const string Sizes = """{"model_type": "opt", "hidden_size": 64, "ffn_dim": 96, "num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": 99, "max_position_embeddings": 64""";
        var config = FromJson(Sizes + "}");
        Assert.Equal((2, true, true, false, 1e-5f), (config.UnusedPositions, config.TiedEmbedding, config.Layers[1].HasFeedForwardBias, config.Layers[1].Rotates, config.NormEpsilon));
        AssertJsonRefused(KvasirError.Unsupported, Sizes + $", \"{key}\": {json}}}", problem);
    }

    // As published: what its class has by default is left out, and null is not that.
    [Fact]
    public void GemmaTakesWhatItsFoldersLeaveOut()
    {
        var third = FromJson("""
            {"architectures": ["Gemma3ForConditionalGeneration"], "model_type": "gemma3", "text_config": {"hidden_size": 2560, "intermediate_size": 10240,
             "model_type": "gemma3_text", "num_hidden_layers": 34, "rope_scaling": {"factor": 8.0, "rope_type": "linear"}, "sliding_window": 1024}}
            """);
        Assert.Equal((8, 4, 256, 262208, 131072), (third.HeadCount, third.KvHeadCount, third.HeadDim, third.VocabularySize, third.ContextTokens));
        Assert.Equal((1e6, RopeScaling.Linear, 1e4, 1024, 5), (third.Rope.Base, third.Rope.Scaling, third.WindowRope!.Base, third.SlidingWindowTokens, third.Attention.FullLayerCount));
        Assert.Equal((null, null, 1 / 16f), (third.ScoreCap, third.LogitCap, third.Attention.ScoreScale));
        const string Second = """{"model_type": "gemma2", "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 3, "num_attention_heads": 4, "vocab_size": 99, "max_position_embeddings": 64""";
        var usual = FromJson(Second + "}");
        Assert.Equal((4096, 50f, 30f, 1), (usual.SlidingWindowTokens, usual.ScoreCap, usual.LogitCap, usual.Attention.FullLayerCount));
        var none = FromJson(Second + """, "sliding_window": null, "attn_logit_softcapping": null, "final_logit_softcapping": null}""");
        Assert.Equal((null, null, null, 3), (none.SlidingWindowTokens, none.ScoreCap, none.LogitCap, none.Attention.FullLayerCount));
        AssertJsonRefused(KvasirError.BadFile, Second + """, "attn_logit_softcapping": -3}""", "attn_logit_softcapping");
    }

    [Fact]
    public void AQuantisedModelThatSeesPicturesIsRefused()
    {
        var text = TinyModel.Config("mistral", ("architectures", "null"));
        AssertJsonRefused(KvasirError.Unsupported, $$$"""{"model_type": "mistral3", "text_config": {{{text}}}, "quantization_config": {"quant_method": "fp8"}}""", "'quantization_config' asks for 'fp8'");
        AssertJsonRefused(KvasirError.Unsupported, """{"model_type": "mistral3", "text_config": {"model_type": "rwkv7"}}""", "'text_config.model_type' is 'rwkv7'", "(a state space)");
    }

    [Theory]
    [InlineData("olmo2", 4, true)]
    [InlineData("exaone4", 4, false)]
    [InlineData("gemma3", 6, true)]
    [InlineData("gemma2", 2, true)]
    public void EveryFourthOrSixthLayerOfAFamilySeesAll(string architecture, int pattern, bool rotates)
    {
        var writer = TinyModel.Gguf(architecture).Set($"{architecture}.attention.sliding_window", 128u).Set($"{architecture}.block_count", 13u);
        var (config, all) = (FromGguf(writer), Enumerable.Range(0, 13));
        Assert.Equal(all.Select(layer => layer % pattern == pattern - 1), config.Layers.Select(layer => layer.SeesAll));
        Assert.Equal(all.Select(layer => rotates || layer % pattern != pattern - 1), config.Layers.Select(layer => layer.Rotates));
        Assert.Equal(all.Select(layer => layer % pattern == pattern - 1 ? (int?)null : 128), all.Select(layer => config.Attention.At(layer).WindowTokens));
        // Gemma 2's files may leave its window out.
        if (architecture != "gemma2")
            Assert.Null(FromGguf(writer.Set($"{architecture}.attention.sliding_window", 0u)).Attention.FullLayers);
    }

    [Fact]
    public void LayersThatSeeAllAreThoseThatAFileNames()
    {
        ModelConfig Layers(string key, string json) => FromJson(Family("olmo3", ("num_hidden_layers", "3"), ("sliding_window", "64"), (key, json)));

        Assert.Equal([false, true, true], Layers("layer_types", """["sliding_attention", "full_attention", "full_attention"]""").Layers.Select(layer => layer.SeesAll));
        Assert.Equal([false, true, false], Layers("sliding_window_pattern", "2").Layers.Select(layer => layer.SeesAll));
        AssertJsonRefused(KvasirError.Unsupported, Family("olmo3", ("layer_types", """["linear_attention"]""")), "'layer_types' is not full_attention or sliding_attention");
    }

    // The second of a pair of rotations is plain, whatever stretches the first.
    [Fact]
    public void OnlyLayersThatSeeAllAreStretched()
    {
        const string Yarn = """{"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}""";
        var config = FromJson(Family("olmo3", ("num_hidden_layers", "4"), ("sliding_window", "64"), ("rope_scaling", Yarn)));
        Assert.Equal((RopeScaling.Yarn, RopeScaling.None, 1.0), (config.Rope.Scaling, config.WindowRope!.Scaling, config.WindowRope.AttentionFactor));
        Assert.Equal(10000, FromGguf(TinyModel.Gguf("gemma3").Set("gemma3.attention.sliding_window", 64u).Set("gemma3.block_count", 6u).Set("gemma3.rope.freq_base", 1e6f)).WindowRope!.Base);
    }

    [Theory]
    [InlineData("gemma3_text", "hidden_activation", "\"silu\"", "'hidden_activation' is 'silu'; only gelu_pytorch_tanh")]
    [InlineData("gemma3_text", "attn_logit_softcapping", "50.0", "'attn_logit_softcapping' is 50.0")]
    [InlineData("gemma3_text", "rope_local_base_freq", "20000.0", "'rope_local_base_freq' is 20000; only 10000")]
    public void WhatGemmaDoesOtherwiseElsewhereIsRefused(string type, string key, string json, string problem) =>
        AssertJsonRefused(KvasirError.Unsupported, Family(type, ("hidden_act", "null"), (key, json)), problem);

    [Fact]
    public void ListsOfEqualLayersAreEqualAndReadAsRuns()
    {
        var layers = LayerShapes.By(5, layer => new LayerShape { Rotates = layer != 3 });
        Assert.Equal(layers, LayerShapes.By(5, layer => new LayerShape { Rotates = layer != 3 }));
        Assert.Equal(layers.GetHashCode(), LayerShapes.By(5, layer => new LayerShape { Rotates = layer != 3 }).GetHashCode());
        Assert.NotEqual(layers, LayerShapes.Alike(5, new LayerShape()));
        Assert.StartsWith("3 x LayerShape {", layers.ToString(), StringComparison.Ordinal);
        Assert.Contains("}, 1 x LayerShape {", layers.ToString(), StringComparison.Ordinal);
        Assert.Equal(LayerShapes.Alike(3, new LayerShape()), layers.First(3));
    }

    [Theory]
    [InlineData("mlp_bias", "true", "is true")]
    [InlineData("hidden_act", "\"gelu\"", "'gelu'; only silu")]
    [InlineData("partial_rotary_factor", "0.5", "0.5; only 1")]
    [InlineData("num_local_experts", "8", "8; only 0")]
    [InlineData("num_experts", "128", "128; only 0")]
    [InlineData("no_rope_layers", "[1, 1, 1, 0]", "without rotary positions")]
    [InlineData("quantization_config", """{"quant_method": "awq"}""", "'awq'")]
    public void JsonSettingsThatWouldChangeResultsAreRefused(string key, string json, string problem) =>
        AssertJsonRefused(KvasirError.Unsupported, TinyModel.Config("llama", (key, json)), $"'{key}'", problem);

    [Theory]
    [InlineData("logit_scale", 0.5f)]
    [InlineData("attention.scale", 0.1f)]
    [InlineData("attention.causal", false)]
    public void GgufSettingsThatWouldChangeResultsAreRefused(string key, object value) =>
        AssertGgufRefused(TinyModel.Gguf().Set($"llama.{key}", value), KvasirError.Unsupported, $"'llama.{key}' is {(value is false ? "false" : value)}");

    [Theory]
    [InlineData("hidden_size", "0", "1048576")]
    [InlineData("num_hidden_layers", "1e9", "4096")]
    [InlineData("num_attention_heads", "-4", "-4")]
    [InlineData("num_key_value_heads", "3", "4 query heads are not a multiple of 3 KV heads")]
    [InlineData("head_dim", "7", "head dimension is 7")]
    [InlineData("vocab_size", "9223372036854775807", "16777216")]
    [InlineData("max_position_embeddings", "\"many\"", "\"many\"; an integer was expected")]
    [InlineData("rms_norm_eps", "0", "is 0")]
    [InlineData("rms_norm_eps", "1e999", "1e999; a finite number")]
    [InlineData("rope_theta", "1", "above 1")]
    [InlineData("hidden_size", "null", "'hidden_size' is missing")]
    public void JsonSizesOutOfRangeAreNamed(string key, string json, string part) => AssertJsonRefused(KvasirError.BadFile, TinyModel.Config("llama", (key, json)), part);

    [Fact]
    public void RepeatedJsonKeyIsRefused() => AssertJsonRefused(KvasirError.BadFile, TinyModel.Config()[..^1] + ", \"hidden_size\": 32}", "hidden_size");

    [Fact]
    public void GgufSizesOutOfRangeAreNamed()
    {
        AssertGgufRefused(TinyModel.Gguf().Set("llama.block_count", uint.MaxValue), KvasirError.BadFile, "'llama.block_count' is 4294967295", "4096");
        AssertGgufRefused(TinyModel.Gguf().Set("llama.embedding_length", null), KvasirError.BadFile, "'llama.embedding_length' is missing");
        AssertGgufRefused(TinyModel.Gguf().Set("llama.attention.layer_norm_rms_epsilon", float.NaN), KvasirError.BadFile, "'llama.attention.layer_norm_rms_epsilon' is NaN");
        AssertGgufRefused(TinyModel.Gguf().Set("llama.attention.value_length", 16u), KvasirError.Unsupported, "'llama.attention.value_length' is 16");
        AssertGgufRefused(TinyModel.Gguf().Set("tokenizer.ggml.tokens", new[] { "a" }), KvasirError.BadFile, "'tokenizer.ggml.tokens' has 1 tokens", "16 rows");
        AssertGgufRefused(TinyModel.Gguf().Set("llama.rope.dimension_count", 10u), KvasirError.BadFile, "10 elements of a head of 8");
    }

    [Fact]
    public void GenerationDefaultsAreRead()
    {
        using var folder = new TempFolder();
        Assert.Equal(new GenerationDefaults(), GenerationDefaults.FromFolder(folder.Path));
        folder.Write("generation_config.json", """{"do_sample": true, "temperature": 0.6, "top_p": 0.95, "top_k": 20, "eos_token_id": [1, 2]}""");
        Assert.Equal(new GenerationDefaults(true, 0.6, 0.95, 20), GenerationDefaults.FromFolder(folder.Path));
    }

    private static string Family(string modelType, params (string Key, string Json)[] more) =>
        TinyModel.Config(modelType, [("architectures", "null"), .. more]);

    private static ModelConfig FromGguf(GgufWriter writer)
    {
        using var folder = new TempFolder();
        using var file = Gguf.Open(folder.Write("tiny.gguf", writer.Build()));
        return ModelFamilies.Read(file);
    }

    private static ModelConfig FromJson(string json)
    {
        using var folder = new TempFolder();
        folder.Write("config.json", json);
        return ModelFamilies.Read(folder.Path);
    }

    private static void AssertGgufRefused(GgufWriter writer, KvasirError error, params string[] parts) =>
        AssertMessage(Assert.Throws<KvasirException>(() => FromGguf(writer)), error, [.. parts, "tiny.gguf"]);

    private static void AssertJsonRefused(KvasirError error, string json, params string[] parts) =>
        AssertMessage(Assert.Throws<KvasirException>(() => FromJson(json)), error, [.. parts, "config.json"]);

    private static void AssertMessage(KvasirException exception, KvasirError error, string[] parts)
    {
        Assert.All(parts, part => Assert.Contains(part, exception.Message, StringComparison.Ordinal));
        Assert.Equal(error, exception.Error);
    }
}
