using Kvasir.Files;
using Kvasir.Kernels.Elementwise;
using Kvasir.Kernels.Matrix;
using Kvasir.Models.Configs;
using Kvasir.Models.Families;

namespace Kvasir.Test.Models.Configs;

public sealed class RopeConfigTest
{
    private static readonly RopeConfig Plain = new() { Order = RopeOrder.Halves, Dim = 8, Base = 10000 };

    [Theory]
    [InlineData("null")]
    [InlineData("""{"rope_type": "default"}""")]
    [InlineData("{}")]
    public void WithoutScalingAnglesArePlain(string json) => Assert.Equal(Plain, FromJson(("rope_scaling", json)).Rope);

    [Theory]
    [InlineData("type")]
    [InlineData("rope_type")]
    public void LinearIsReadUnderBothSpellings(string key) =>
        Assert.Equal(Plain with { Scaling = RopeScaling.Linear, Factor = 4 }, FromJson(("rope_scaling", $$"""{"{{key}}": "linear", "factor": 4}""")).Rope);

    [Fact]
    public void Llama3IsReadWhole()
    {
        const string Json = """{"rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}""";
        var expected = Plain with { Base = 500000, Scaling = RopeScaling.Llama3, Factor = 32, OriginalContextTokens = 8192, LowFreqFactor = 1, HighFreqFactor = 4 };
        Assert.Equal(expected, FromJson(("rope_theta", "500000.0"), ("rope_scaling", Json)).Rope);
    }

    [Fact]
    public void YarnStretchesTheWindowAndScalesAttention()
    {
        var config = FromJson(("rope_scaling", """{"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 128}"""));
        Assert.Equal(Plain with { Scaling = RopeScaling.Yarn, Factor = 4, OriginalContextTokens = 128, AttentionFactor = (0.1 * Math.Log(4)) + 1 }, config.Rope);
        Assert.Equal(512, config.ContextTokens);
    }

    [Fact]
    public void YarnTakesTheWindowWhereNoOriginalIsGiven()
    {
        var config = FromJson(("rope_scaling", """{"rope_type": "yarn", "factor": 2, "beta_fast": 16, "beta_slow": 2, "attention_factor": 1.5}"""));
        Assert.Equal(Plain with { Scaling = RopeScaling.Yarn, Factor = 2, OriginalContextTokens = 256, BetaFast = 16, BetaSlow = 2, AttentionFactor = 1.5 }, config.Rope);
        Assert.Equal(512, config.ContextTokens);
    }

    [Fact]
    public void YarnWithBothMscaleKeysTakesTheirRatio()
    {
        var rope = FromJson(("rope_scaling", """{"rope_type": "yarn", "factor": 4, "mscale": 2, "mscale_all_dim": 1}""")).Rope;
        Assert.Equal(((0.2 * Math.Log(4)) + 1) / ((0.1 * Math.Log(4)) + 1), rope.AttentionFactor, 12);
    }

    [Fact]
    public void NewerFilesKeepEverythingInRopeParameters()
    {
        var rope = FromJson(("rope_theta", "null"), ("rope_parameters", """{"rope_theta": 1000000.0, "rope_type": "linear", "factor": 2.0}""")).Rope;
        Assert.Equal(Plain with { Base = 1e6, Scaling = RopeScaling.Linear, Factor = 2 }, rope);
    }

    [Fact]
    public void RopeParametersWinOverThetaBesideThem() =>
        Assert.Equal(1e6, FromJson(("rope_theta", "10000.0"), ("rope_parameters", """{"rope_theta": 1000000.0, "rope_type": "default"}""")).Rope.Base);

    [Theory]
    [InlineData("""{"rope_type": "dynamic", "factor": 2}""", KvasirError.Unsupported, "'rope_scaling.rope_type' is 'dynamic'; supported are default, linear, llama3, yarn")]
    [InlineData("""{"type": "longrope"}""", KvasirError.BadFile, "'rope_scaling.short_factor' is missing")]
    [InlineData("""{"type": "longrope", "short_factor": [1, 1, 1], "long_factor": [1, 1, 1, 1]}""", KvasirError.BadFile, "'rope_scaling.short_factor' holds 3 factors; 4 above 0")]
    [InlineData("""{"type": "longrope", "short_factor": [1, 1, 1, 1], "long_factor": [1, 1, 0, 1]}""", KvasirError.BadFile, "'rope_scaling.long_factor' holds 4 factors; 4 above 0")]
    [InlineData("""{"rope_type": "linear"}""", KvasirError.BadFile, "'rope_scaling.factor' is missing")]
    [InlineData("""{"rope_type": "linear", "factor": 0}""", KvasirError.BadFile, "'rope_scaling.factor' is 0")]
    [InlineData("""{"rope_type": "llama3", "factor": 8, "low_freq_factor": 4, "high_freq_factor": 4, "original_max_position_embeddings": 8192}""", KvasirError.BadFile, "'rope_scaling.high_freq_factor' is 4")]
    [InlineData("""{"rope_type": "yarn", "factor": 4, "beta_fast": 1}""", KvasirError.BadFile, "beta_fast 1 must be above its beta_slow 1")]
    public void OtherScalingIsRefused(string json, KvasirError error, string part)
    {
        var exception = Assert.Throws<KvasirException>(() => FromJson(("rope_scaling", json)));
        Assert.Equal(error, exception.Error);
        Assert.Contains(part, exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ParametersPerKindOfLayerAreRefused()
    {
        var exception = Assert.Throws<KvasirException>(() => FromJson(("rope_parameters", """{"full_attention": {"rope_theta": 1000000.0}}""")));
        Assert.Contains("'rope_parameters.full_attention'", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void GgufYarnMultipliesTheFilesAttentionFactorWithItsOwn()
    {
        var config = FromGguf(TinyModel.Gguf("qwen2")
            .Set("qwen2.rope.scaling.type", "yarn").Set("qwen2.rope.scaling.factor", 4f).Set("qwen2.rope.scaling.original_context_length", 128u)
            .Set("qwen2.rope.scaling.attn_factor", 0.5f).Set("qwen2.rope.scaling.yarn_beta_fast", 24f));
        var expected = Plain with { Scaling = RopeScaling.Yarn, Factor = 4, OriginalContextTokens = 128, BetaFast = 24, AttentionFactor = 0.5 * ((0.1 * Math.Log(4)) + 1) };
        Assert.Equal(expected, config.Rope);
        Assert.Equal(512, config.ContextTokens);
    }

    [Theory]
    [InlineData("rope.scaling.factor")]
    [InlineData("rope.scale_linear")]
    public void GgufFactorWithoutATypeIsLinear(string key)
    {
        var rope = FromGguf(TinyModel.Gguf().Set($"llama.{key}", 4f)).Rope;
        Assert.Equal(Plain with { Order = RopeOrder.Interleaved, Scaling = RopeScaling.Linear, Factor = 4 }, rope);
    }

    [Fact]
    public void GgufScalingOfNoneIgnoresTheFactor() =>
        Assert.Equal(RopeScaling.None, FromGguf(TinyModel.Gguf().Set("llama.rope.scaling.type", "none").Set("llama.rope.scaling.factor", 4f)).Rope.Scaling);

    [Fact]
    public void GgufScalingOfAnotherTypeIsRefused() => Assert.Contains(
        "'llama.rope.scaling.type' is 'dynamic'; supported are none, linear, yarn, longrope",
        Assert.Throws<KvasirException>(() => FromGguf(TinyModel.Gguf().Set("llama.rope.scaling.type", "dynamic"))).Message,
        StringComparison.Ordinal);

    [Fact]
    public void GgufLongRopeWithoutItsFactorsIsRefused() => Assert.Contains(
        "'rope_factors_short.weight'",
        Assert.Throws<KvasirException>(() => FromGguf(TinyModel.Gguf().Set("llama.rope.scaling.type", "longrope"))).Message,
        StringComparison.Ordinal);

    [Theory]
    [InlineData(64, "null", 1.1547005)]
    [InlineData(256, "null", 1)]
    [InlineData(64, "1.25", 1.25)]
    public void LongRopeHasTwoSetsOfFactorsAndOneMagnitude(int original, string attention, double expected)
    {
        const string Lists = "\"short_factor\": [1, 1.5, 2, 3], \"long_factor\": [2, 2, 4, 8]";
        var rope = FromJson(
            ("original_max_position_embeddings", $"{original}"), ("rope_scaling", $$"""{"type": "longrope", {{Lists}}, "attention_factor": {{attention}}}""")).Rope;
        Assert.Equal((original, (float)expected), (rope.OriginalContextTokens, (float)rope.AttentionFactor));
        Assert.Equal([1f, 1.5f, 2f, 3f], rope.FrequencyFactors!);
        Assert.Equal([2f, 2f, 4f, 8f], rope.LongFrequencyFactors!);
        Assert.Equal((false, true), (rope.IsLong(original), rope.IsLong(original + 1)));
    }

    // A dynamic scaling with a factor of its own is none: theta alpha^(n / (n - 2)), once for all.
    [Fact]
    public void AlphaStretchesTheBase() =>
        Assert.Equal(10000 * Math.Pow(1000, 8 / 6.0), FromJson(("rope_scaling", """{"type": "dynamic", "alpha": 1000.0, "factor": 1.0}""")).Rope.Base, 6);

    [Fact]
    public void GgufFrequencyFactorsAreReadAndHeld()
    {
        Assert.Equal([1f, 1.5f, 8f, 8f], FromGguf(WithFactors(1, 1.5f, 8, 8)).Rope.FrequencyFactors!);
        Assert.Contains("[4] was expected", Assert.Throws<KvasirException>(() => FromGguf(WithFactors(1, 2))).Message, StringComparison.Ordinal);
        Assert.Contains("holds 0", Assert.Throws<KvasirException>(() => FromGguf(WithFactors(1, 1, 1, 0))).Message, StringComparison.Ordinal);
        Assert.Contains("holds NaN at index 2", Assert.Throws<KvasirException>(() => FromGguf(WithFactors(1, 1, float.NaN, 1))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void GgufMayRotatePartOfAHead() => Assert.Equal(4, FromGguf(TinyModel.Gguf().Set("llama.rope.dimension_count", 4u)).Rope.Dim);

    private static GgufWriter WithFactors(params float[] factors) =>
        TinyModel.Gguf().Tensor("rope_freqs.weight", WeightType.F32, [factors.Length], [.. factors.SelectMany(BitConverter.GetBytes)]);

    private static ModelConfig FromJson(params (string Key, string Json)[] fields)
    {
        using var folder = new TempFolder();
        folder.Write("config.json", TinyModel.Config("llama", fields));
        return ModelFamilies.Read(folder.Path);
    }

    private static ModelConfig FromGguf(GgufWriter writer)
    {
        using var folder = new TempFolder();
        using var file = Gguf.Open(folder.Write("tiny.gguf", writer.Build()));
        return ModelFamilies.Read(file);
    }
}
