using System.Text.Json.Nodes;
using Kvasir.Files;
using Kvasir.Kernels.Elementwise;
using Kvasir.Models.Configs;
using Kvasir.Models.Families;

namespace Kvasir.Test.Models.Configs;

/// <summary>What files of Gemma 4 say, and what of it is refused. The numbers are those of golden models.</summary>
public sealed class Gemma4ConfigTest
{
    private static readonly GoldenLogitsTable Table = GoldenLogitsTable.Committed;

    [Fact]
    public void BothContainersSayTheSame()
    {
        foreach (var name in (string[])["gemma4-f32", "gemma4-moe-f32"])
        {
            using var file = new RandomModel(Table.Cases.Single(c => c.Name == name), Table);
            using var folder = new RandomModel(Table.Cases.Single(c => c.Name == "hf-" + name), Table);
            using var gguf = Gguf.Open(file.Path);
            var (one, other) = (ModelFamilies.Read(gguf), ModelFamilies.Read(folder.Path));
            Assert.Equal(one.Layers, other.Layers);
            Assert.Equal((one.HeadDim, one.KvHeadCount, one.WindowHeads), (other.HeadDim, other.KvHeadCount, other.WindowHeads));
            Assert.Equal((one.ScoreScale, one.LogitCap, one.EmbeddingScale), (other.ScoreScale, other.LogitCap, other.EmbeddingScale));
            Assert.Equal(one.Rope.FrequencyFactors, other.Rope.FrequencyFactors);
            Assert.Equal(one.WindowRope, other.WindowRope);
        }
    }

    [Fact]
    public void LayersAreThoseOfTheFile()
    {
        var config = FromJson(Config());
        Assert.Equal([5, 6], Enumerable.Range(0, 7).Where(layer => config.Layers[layer].SeesAll));
        Assert.Equal((1, 32, new HeadSizes(2, 16)), (config.KvHeadCount, config.HeadDim, config.WindowHeads));
        Assert.All(config.Layers, layer => Assert.Equal(layer.SeesAll, layer.ValuesAreKeys));
        var shape = config.Attention;
        Assert.Equal((1, 32, (int?)null), (shape.At(5).KvHeadCount, shape.At(5).Dim, shape.At(5).WindowTokens));
        Assert.Equal((2, 16, (int?)8), (shape.At(0).KvHeadCount, shape.At(0).Dim, shape.At(0).WindowTokens));
        Assert.Equal((2 * 5) + 2, shape.TotalKvHeads);
        Assert.Equal([1, 1, 1, 1], config.Rope.FrequencyFactors![..4]);
        Assert.All(config.Rope.FrequencyFactors[4..], factor => Assert.Equal(1e30f, factor));
        Assert.Equal((10000.0, 16), (config.WindowRope!.Base, config.WindowRope.Dim));
    }

    // What the class that reads them takes where nothing is said.
    [Fact]
    public void WhatIsLeftOutIsUsual()
    {
        var config = FromJson(Config(("layer_types", null), ("rope_parameters", null), ("final_logit_softcapping", null), ("sliding_window", null), ("global_head_dim", null)));
        Assert.Equal([5, 6], Enumerable.Range(0, 7).Where(layer => config.Layers[layer].SeesAll));
        Assert.Equal(((int?)512, 512, 1e6), (config.SlidingWindowTokens, config.HeadDim, config.Rope.Base));
        Assert.Equal(64, config.Rope.FrequencyFactors!.Count(static factor => factor == 1));
        Assert.Null(config.LogitCap);
    }

    [Fact]
    public void ThePublishedNameOf12BIsKnownInsideAModelThatSees()
    {
        var text = Config(("model_type", "\"gemma4_unified_text\""), ("architectures", null));
        Assert.Equal(new HeadSizes(2, 16), FromJson($$"""{"model_type": "gemma4_unified", "text_config": {{text}}}""").WindowHeads);
    }

    [Theory]
    [InlineData("num_kv_shared_layers", "2", "'num_kv_shared_layers' is 2; only 0")]
    [InlineData("hidden_size_per_layer_input", "256", "'hidden_size_per_layer_input' is 256; only 0")]
    [InlineData("use_double_wide_mlp", "true", "'use_double_wide_mlp' is true")]
    [InlineData("use_bidirectional_attention", "\"all\"", "'use_bidirectional_attention' is 'all'")]
    [InlineData("attn_logit_softcapping", "50.0", "'attn_logit_softcapping' is 50.0")]
    [InlineData("some_new_scale", "0.5", "'some_new_scale' is 0.5")]
    [InlineData("rope_parameters", """{"full_attention": {"rope_type": "proportional", "partial_rotary_factor": 0.25, "rope_theta": 1e6}, "sliding_attention": {"rope_theta": 2e4}}""",
        "'rope_parameters.sliding_attention.rope_theta' is 20000; only 10000")]
    [InlineData("rope_parameters", """{"full_attention": {"rope_type": "spiral", "rope_theta": 1e6}}""", "'rope_parameters.full_attention.rope_type' is 'spiral'")]
    public void WhatOthersDoIsRefused(string key, string json, string problem)
    {
        var refusal = Assert.Throws<KvasirException>(() => FromJson(Config((key, json))));
        Assert.Contains(problem, refusal.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("attention.head_count_kv", 2, 1, 2, "is not one number for layers with a window and one for the others of 3")]
    [InlineData("attention.head_count_kv", 2, 0, 1, "is not one number for layers with a window and one for the others of 3")]
    [InlineData("attention.sliding_window_pattern", 1, 2, 0, "holds 2 at index 1")]
    public void GgufListsThatDoNotFitAreRefused(string key, int first, int second, int third, string problem)
    {
        var writer = Writer().Set("gemma4.attention.head_count_kv", new[] { 2, 1, 1 });
        Assert.Equal(new HeadSizes(2, 8), FromGguf(writer).WindowHeads);
        var refusal = Assert.Throws<KvasirException>(() => FromGguf(writer.Set("gemma4." + key, new[] { first, second, third })));
        Assert.Contains(problem, refusal.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("attention.shared_kv_layers", 2u)]
    [InlineData("embedding_length_per_layer_input", 256u)]
    public void GgufFilesOfTheSmallOnesAreRefused(string key, uint value)
    {
        var refusal = Assert.Throws<KvasirException>(() => FromGguf(Writer().Set("gemma4." + key, value)));
        Assert.Contains($"'gemma4.{key}' is {value}; only 0", refusal.Message, StringComparison.Ordinal);
    }

    // Newer files of Gemma 3 tell layers apart so, too.
    [Fact]
    public void RotationsOfBothKindsOfLayersAreReadOfGemma3()
    {
        const string Both = """{"full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6}, "sliding_attention": {"rope_type": "default", "rope_theta": 1e4}}""";
        (string, string)[] fields = [("architectures", "[\"Gemma3ForCausalLM\"]"), ("hidden_act", "null"), ("num_hidden_layers", "6"), ("sliding_window", "64"), ("rope_parameters", Both)];
        var config = FromJson(TinyModel.Config("gemma3_text", fields));
        Assert.Equal((RopeScaling.Linear, 8.0, 1e6, 1e4), (config.Rope.Scaling, config.Rope.Factor, config.Rope.Base, config.WindowRope!.Base));
    }

    // Two layers with a window and one that sees all, all with heads of 8.
    private static GgufWriter Writer() => TinyModel.Gguf("gemma4").Set("gemma4.block_count", 3u).Set("gemma4.attention.sliding_window", 64u)
        .Set("gemma4.attention.sliding_window_pattern", new[] { 1, 0, 0 });

    private static string Config(params (string Key, string? Json)[] changes)
    {
        var fields = JsonNode.Parse(Table.Cases.Single(c => c.Name == "hf-gemma4-f32").Config!)!.AsObject();
        foreach (var (key, json) in changes)
        {
            fields.Remove(key);
            if (json is not null)
                fields[key] = JsonNode.Parse(json);
        }

        return fields.ToJsonString();
    }

    private static ModelConfig FromJson(string json)
    {
        using var folder = new TempFolder();
        folder.Write("config.json", json);
        return ModelFamilies.Read(folder.Path);
    }

    private static ModelConfig FromGguf(GgufWriter writer)
    {
        using var folder = new TempFolder();
        using var file = Gguf.Open(folder.Write("tiny.gguf", writer.Build()));
        return ModelFamilies.Read(file);
    }
}
