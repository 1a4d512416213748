using Kvasir.Files;
using Kvasir.Models.Configs;
using Kvasir.Models.Families;

namespace Kvasir.Test.Models.Configs;

/// <summary>What is read of experts in either container, and which of their settings are refused because nothing here computes them.</summary>
public sealed class ExpertKeysTest
{
    private static readonly (string Key, string Json)[] Qwen =
    [
        ("architectures", "[\"Qwen3MoeForCausalLM\"]"), ("num_experts", "16"), ("num_experts_per_tok", "4"), ("moe_intermediate_size", "24"), ("norm_topk_prob", "true"),
        ("decoder_sparse_step", "1"), ("mlp_only_layers", "[]"), ("router_aux_loss_coef", "0.001"),
    ];

    [Fact]
    public void AFileOfLlamaWithExpertsIsMixtral()
    {
        var config = FromGguf(TinyModel.Gguf().Set("llama.expert_count", 8u).Set("llama.expert_used_count", 2u));
        Assert.Equal(new ExpertShape { Count = 8, Used = 2, Width = 64 }, config.Layers[0].Experts);
        Assert.Equal(0, config.FeedForwardWidth);
    }

    [Fact]
    public void FamiliesWithoutExpertsRefuseThem() => AssertRefused(() => FromGguf(TinyModel.Gguf("qwen3").Set("qwen3.expert_count", 8u)), "'qwen3.expert_count' is 8; only 0");

    [Theory]
    [InlineData("true", RouterKind.OfChosen)]
    [InlineData("false", RouterKind.OfAll)]
    public void WeightsAddUpToOneWhereTheFolderSaysSo(string norm, RouterKind router)
    {
        var config = FromFolder([.. Qwen, ("norm_topk_prob", norm)]);
        Assert.Equal(new ExpertShape { Count = 16, Used = 4, Width = 24, Router = router }, config.Layers[0].Experts);
    }

    [Theory]
    [InlineData("expert_used_count", 9u, "9; 1 to 8 is allowed")]
    [InlineData("expert_gating_func", 2u, "2; only softmax")]
    [InlineData("expert_weights_norm", false, "false, which is not supported")]
    [InlineData("expert_group_count", 4u, "4; only 0")]
    [InlineData("leading_dense_block_count", 1u, "1; only 0")]
    [InlineData("interleave_moe_layer_step", 2u, "2; only 0")]
    [InlineData("expert_shared_feed_forward_length", 64u, "64; only 0")]
    [InlineData("expert_shared_count", 1u, "1; only 0")]
    [InlineData("nextn_predict_layers", 1u, "1; only 0")]
    public void ExpertsThatAreChosenOtherwiseAreRefusedInGguf(string key, object value, string problem)
    {
        var file = TinyModel.Gguf("qwen3").Set("general.architecture", "qwen3moe");
        foreach (var kept in new[] { "block_count", "context_length", "embedding_length", "feed_forward_length", "attention.head_count" })
            file.Set($"qwen3moe.{kept}", kept == "block_count" ? 1u : kept == "context_length" ? 256u : kept == "attention.head_count" ? 4u : kept == "embedding_length" ? 32u : 64u);
        file.Set("qwen3moe.attention.layer_norm_rms_epsilon", 1e-5f).Set("qwen3moe.expert_count", 8u).Set("qwen3moe.expert_used_count", 2u);
        Assert.Equal(8, FromGguf(file).Layers[0].Experts!.Count);
        AssertRefused(() => FromGguf(file.Set($"qwen3moe.{key}", value)), $"'qwen3moe.{key}' is {problem}");
    }

    [Theory]
    [InlineData("mlp_only_layers", "[0]", "names layers without experts")]
    [InlineData("decoder_sparse_step", "2", "is 2; only 1")]
    [InlineData("n_group", "8", "is 8; only 0")]
    [InlineData("shared_expert_intermediate_size", "64", "is 64; only 0")]
    [InlineData("routed_scaling_factor", "2.5", "is 2.5; only 1")]
    [InlineData("num_experts_per_tok", "17", "is 17; 1 to 16 is allowed")]
    [InlineData("num_local_experts", "8", "is 8; only 0")]
    public void ExpertsThatAreChosenOtherwiseAreRefusedInFolders(string key, string json, string problem) =>
        AssertRefused(() => FromFolder([.. Qwen, (key, json)]), $"'{key}' {problem}");

    private static ModelConfig FromGguf(GgufWriter writer)
    {
        using var folder = new TempFolder();
        using var file = Gguf.Open(folder.Write("model.gguf", writer.Build()));
        return ModelFamilies.Read(file);
    }

    private static ModelConfig FromFolder((string Key, string Json)[] fields)
    {
        using var folder = new TempFolder();
        folder.Write("config.json", TinyModel.Config("qwen3_moe", fields));
        return ModelFamilies.Read(folder.Path);
    }

    private static void AssertRefused(Func<ModelConfig> read, string part) => Assert.Contains(part, Assert.Throws<KvasirException>(read).Message, StringComparison.Ordinal);
}
