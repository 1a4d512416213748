using System.Text;
using Kvasir.Attention.Policies;
using Kvasir.Kernels.Matrix;
using Kvasir.Tools.Test.Cli.Chat;

namespace Kvasir.Tools.Test.Cli.Inspect;

public sealed class InspectCommandTest : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void JsonShowsShapeTokenizerPlanAndMetadata()
    {
        var run = CliRun.Of("inspect", "stories260K", "--json");
        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        var json = run.Json[0];
        Assert.Equal("gguf", json["format"]!.ToString());
        var shape = json["shape"]!;
        Assert.Equal((5, 64, 8, 4, 8, 512), (Int(shape["layerCount"]), Int(shape["width"]), Int(shape["headCount"]), Int(shape["kvHeadCount"]), Int(shape["headDim"]), Int(shape["contextTokens"])));
        Assert.Equal(260032, Int(shape["parameterCount"]));
        Assert.Equal("""{"base":10000,"dim":8,"order":"interleaved","scaling":"none","factor":1,"hasFrequencyFactors":false}""", shape["rope"]!.ToJsonString());
        Assert.Equal("llama", json["tokenizer"]!["kind"]!.ToString());
        Assert.Equal(("1", "<s>"), (json["tokenizer"]!["beginToken"]!["id"]!.ToString(), json["tokenizer"]!["beginToken"]!["piece"]!.ToString()));
        Assert.False(json["template"]!["exists"]!.GetValue<bool>());
        Assert.Equal(["2560", "1440", "1760", "1920", "800", "480", "1440", "5120"], Enumerable.Range(0, 8).Select(i => json["plan"]!["kv"]![i]!["bytesPerToken"]!.ToString()));
        Assert.Equal("""[{"type":"F32","count":47,"bytes":1040128}]""", json["tensorTypes"]!.ToJsonString());
        Assert.Null(json["tensors"]);
        Assert.Equal(512, Int(json["metadata"]!["tokenizer.ggml.tokens"]!["count"]));
        Assert.Equal(8, json["metadata"]!["tokenizer.ggml.tokens"]!["first"]!.AsArray().Count);
    }

    [Theory]
    [InlineData("psa")]
    [InlineData("quest")]
    [InlineData("magicpig")]
    [InlineData("alisa")]
    [InlineData("h2o")]
    public void TheIndexOfAPolicyIsWhatAnEngineTakesForIt(string policy)
    {
        var plan = CliRun.Of("inspect", "stories260K", "--json").Json[0]["plan"]!;
        var index = Assert.Single(plan["indexes"]!.AsArray(), index => $"{index!["policy"]}" == policy)!;
        using var model = Model.Load("stories260K");
        using var engine = new Engine(model, new EngineOptions { Threads = 1, KvMemoryBytes = 64 << 20, Attention = PolicyCatalog.Parse(policy) });
        // A row less than the window: the last token is not computed.
        var taken = 0L;
        var sequence = new Sequence(
            [.. Enumerable.Range(0, 510).Select(static i => 3 + (i % 500))],
            new GenerationOptions { MaxTokens = 2, IgnoreEnd = true, Logits = (_, _) => taken = engine.Memory.IndexBytes });
        engine.Submit(sequence);
        while (engine.Step())
            Assert.Null(sequence.Failure);
        var planned = index["nativeWindowBytes"]!.GetValue<long>() + index["sharedBytes"]!.GetValue<long>();
        Assert.InRange(taken, planned * 0.99, planned * 1.0);
    }

    [Theory]
    [InlineData("utf-8")]
    [InlineData("utf-16")]
    [InlineData("utf-16BE")]
    public void FilesThatBeginWithAByteOrderMarkAreShownAsOthersAre(string encoding)
    {
        StoriesCopy.Folder(_folder);
        foreach (var path in Directory.GetFiles(_folder.Path, "*.json"))
            File.WriteAllText(path, File.ReadAllText(path), Encoding.GetEncoding(encoding));
        var run = CliRun.Of("inspect", _folder.Path, "--json");
        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        Assert.Equal("BPE", run.Json[0]["tokenizer"]!["kind"]!.ToString());
    }

    [Fact]
    public void WhatALayerHasThatLlamasHaveNotIsShown()
    {
        var file = TinyModel.Gguf("granite").Set("tokenizer.ggml.model", "llama").Set("granite.embedding_scale", 12f).Set("granite.residual_scale", 0.22f)
            .Set("granite.attention.scale", 0.5f).Set("granite.logit_scale", 8f).Set("granite.rope.scaling.finetuned", false);
        var path = _folder.Write("granite.gguf", file.Build());
        var shape = CliRun.Of("inspect", path, "--json").Json[0]["shape"]!;
        Assert.Equal("""{"embedding":12,"residual":0.22,"scores":0.5,"logits":0.125}""", shape["factors"]!.ToJsonString());
        Assert.Equal("[0]", shape["unrotatedLayers"]!.ToJsonString());
        var text = CliRun.Of("inspect", path).Output;
        Assert.Contains("  factors        embedding x 12, what layers add x 0.22, scores x 0.5, logits x 0.125\n", text, StringComparison.Ordinal);
        Assert.Contains("no positions in any layer\n", text, StringComparison.Ordinal);
        var qwen = _folder.Write("qwen3.gguf", TinyModel.Gguf("qwen3").Set("tokenizer.ggml.model", "llama").Build());
        Assert.Contains("  each layer     norms of heads\n", CliRun.Of("inspect", qwen).Output, StringComparison.Ordinal);
    }

    [Fact]
    public void LayersThatSeeAllAndKnowNoPositionsAreTold()
    {
        var file = TinyModel.Gguf("cohere2").Without("blk.0.ffn_norm.weight").Set("tokenizer.ggml.model", "llama").Set("cohere2.block_count", 4u)
            .Set("cohere2.attention.sliding_window", 64u).Set("cohere2.attention.layer_norm_epsilon", 1e-5f);
        (string Part, long[] Shape)[] parts =
        [
            ("attn_norm", [32]), ("attn_q", [32, 32]), ("attn_k", [32, 16]), ("attn_v", [32, 16]), ("attn_output", [32, 32]), ("ffn_gate", [32, 64]), ("ffn_up", [32, 64]), ("ffn_down", [64, 32]),
        ];
        foreach (var (layer, (part, shape)) in Enumerable.Range(1, 3).SelectMany(layer => parts.Select(part => (layer, part))))
            file.Tensor($"blk.{layer}.{part}.weight", WeightType.F32, shape, new byte[4 * shape.Aggregate(1L, static (product, size) => product * size)]);
        var path = _folder.Write("windowed.gguf", file.Build());
        var (text, shown) = (CliRun.Of("inspect", path).Output, CliRun.Of("inspect", path, "--json").Json[0]["shape"]!);
        Assert.Contains("256 tokens, of which 64 are seen at once, but all in layers 3\n", text, StringComparison.Ordinal);
        Assert.Contains("no positions in layers 3\n", text, StringComparison.Ordinal);
        Assert.Contains("  each layer     norms by mean and variance; both branches side by side\n", text, StringComparison.Ordinal);
        Assert.Equal(("[3]", "[3]"), (shown["fullLayers"]!.ToJsonString(), shown["unrotatedLayers"]!.ToJsonString()));
    }

    [Fact]
    public void TextShowsTheSameToPeople()
    {
        var text = CliRun.Of("inspect", "stories260K", "--tensors").Output;
        Assert.Contains("  heads          8 over 4 KV heads of 8\n", text, StringComparison.Ordinal);
        Assert.Contains("  chat template  none: completes text only\n", text, StringComparison.Ordinal);
        Assert.Contains("512 in all]\n", text, StringComparison.Ordinal);
        Assert.Contains("blk.4.ffn_down.weight", text, StringComparison.Ordinal);
    }

    [Fact]
    public void FoldersShowTheirConfiguration()
    {
        var json = CliRun.Of("inspect", TestModels.StoriesFolder, "--json", "--tensors").Json[0];
        Assert.Equal("safetensors", json["format"]!.ToString());
        Assert.Equal("BPE", json["tokenizer"]!["kind"]!.ToString());
        Assert.Equal(64, Int(json["metadata"]!["hidden_size"]));
        Assert.Equal(47, json["tensors"]!.AsArray().Count);
        Assert.Equal("halves", json["shape"]!["rope"]!["order"]!.ToString());
    }

    [Fact]
    public void ATemplateIsNamedOrItsProblemIs()
    {
        var folder = ChatModel.Create(_folder.Path);
        Assert.Equal(Path.Combine(folder, "chat_template.jinja"), CliRun.Of("inspect", folder, "--json").Json[0]["template"]!["name"]!.ToString());
        File.WriteAllText(Path.Combine(folder, "chat_template.jinja"), "{% frobnicate %}");
        var broken = CliRun.Of("inspect", folder);
        Assert.Equal(0, broken.ExitCode);
        Assert.Matches(@"chat template  unusable: .*line 1.*frobnicate", broken.Output);
    }

    [Fact]
    public void AModelThatDoesNotRunIsShownWithTheReason()
    {
        var path = Path.Combine(_folder.Path, "other.gguf");
        File.WriteAllBytes(path, new GgufWriter().Set("general.architecture", "mamba").Set("mamba.block_count", 3u).Set("evil", "\e[31mred").Build());
        var run = CliRun.Of("inspect", path);
        Assert.Equal(1, run.ExitCode);
        Assert.Contains("  mamba.block_count     3\n", run.Output, StringComparison.Ordinal);
        Assert.Contains("\\u001b[31mred", run.Output, StringComparison.Ordinal);
        Assert.Equal($"kvasir: {CliRun.Of("inspect", path, "--json").Json[0]["problem"]}\n", run.Error);
    }

    private static long Int(System.Text.Json.Nodes.JsonNode? node) => node!.GetValue<long>();
}
