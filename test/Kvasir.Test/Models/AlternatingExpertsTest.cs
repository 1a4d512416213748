using Kvasir.Test.Support;

namespace Kvasir.Test.Models;

/// <summary>Folders of gpt-oss that are not as they should be; those that are have golden logits.</summary>
public sealed class AlternatingExpertsTest
{
    private static readonly GoldenLogitsTable Table = GoldenLogitsTable.Committed;

    [Fact]
    public void CodesWithoutScalesAreRefused()
    {
        var folder = Case("hf-gpt-oss-mxfp4");
        AssertRefused(folder with { Tensors = [.. folder.Tensors.Where(static t => !t.Name.EndsWith("1.mlp.experts.down_proj_scales", StringComparison.Ordinal))] },
            KvasirError.BadFile, "tensor 'model.layers.1.mlp.experts.down_proj_scales' is missing, or not of bytes");
    }

    [Fact]
    public void CodesOfAnotherShapeAreRefused()
    {
        var folder = Case("hf-gpt-oss-mxfp4");
        static string Swapped(string name) => name.Replace("down_proj_scales", "?", StringComparison.Ordinal)
            .Replace("down_proj_blocks", "down_proj_scales", StringComparison.Ordinal).Replace("?", "down_proj_blocks", StringComparison.Ordinal);
        AssertRefused(folder with { Tensors = [.. folder.Tensors.Select(static t => t with { Name = Swapped(t.Name) })] },
            KvasirError.BadFile, "down_proj_blocks' has the shape [4, 96, 2]; [4, 96, 2, 16] was expected");
    }

    [Fact]
    public void BytesThatNobodyReadsAreRefused()
    {
        var folder = Case("hf-gpt-oss-mxfp4");
        var extra = folder.Tensors.First(static t => t.Type == "U8") with { Name = "model.layers.0.mlp.more" };
        AssertRefused(folder with { Tensors = [.. folder.Tensors, extra] }, KvasirError.Unsupported, "tensor 'model.layers.0.mlp.more' has no place in a gpt_oss model");
    }

    [Theory]
    [InlineData("\"mxfp4\"", "\"gptq\"", "asks for 'gptq'; only F32, F16 and BF16 weights and mxfp4 are supported")]
    [InlineData("\"swiglu_limit\": 7.0", "\"swiglu_limit\": 5.0", "'swiglu_limit' is 5; only 7 is supported")]
    [InlineData("\"hidden_act\": \"silu\"", "\"hidden_act\": \"gelu\"", "'hidden_act' is 'gelu'; only silu")]
    public void SettingsThatChangeResultsAreRefused(string setting, string other, string problem)
    {
        var folder = Case("hf-gpt-oss-mxfp4");
        Assert.Contains(setting, folder.Config!, StringComparison.Ordinal);
        AssertRefused(folder with { Config = folder.Config!.Replace(setting, other, StringComparison.Ordinal) }, KvasirError.Unsupported, problem);
    }

    // Where nothing is packed, what was rearranged is kept: the same tokens.
    [Theory]
    [InlineData("hf-gpt-oss-mxfp4")]
    [InlineData("hf-gpt-oss-f32")]
    public void ExpertsAreTheSamePackedOrNot(string name)
    {
        using var files = new RandomModel(Case(name), Table);
        using var plain = Model.Load(files.Path, new ModelOptions { Repack = false });
        using var packed = Model.Load(files.Path, new ModelOptions { Repack = true });
        Assert.Equal(plain.Weights.ParameterCount, packed.Weights.ParameterCount);
        var logits = new GoldenLogitsForward(plain.Config, plain.Weights).Logits(Case(name).Tokens[..12]);
        var expected = Case(name).Logits();
        for (var i = 0; i < logits.Length; i++)
            Assert.Equal(Array.IndexOf(expected[i], expected[i].Max()), Array.IndexOf(logits[i], logits[i].Max()));
    }

    private static GoldenLogitsCase Case(string name) => Table.Cases.Single(c => c.Name == name);

    private static void AssertRefused(GoldenLogitsCase folder, KvasirError error, string problem)
    {
        using var files = new RandomModel(folder, Table);
        var refusal = Assert.Throws<KvasirException>(() => Model.Load(files.Path));
        Assert.Equal(error, refusal.Error);
        Assert.Contains(problem, refusal.Message, StringComparison.Ordinal);
    }
}
