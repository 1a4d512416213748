using Kvasir.Files;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Matrix;
using Kvasir.Kernels.Matrix.Packed;
using Kvasir.Models;
using Kvasir.Models.Configs;
using Kvasir.Models.Families;
using Kvasir.Synthetic;

namespace Kvasir.Test.Models;

/// <summary>Names and shapes of the tensors of a model in both containers.</summary>
public sealed class WeightsTest
{
    [Theory]
    [InlineData("llama")]
    [InlineData("qwen2")]
    [InlineData("qwen3")]
    public void GgufGivesEveryPartOfALayer(string architecture)
    {
        using var folder = new TempFolder();
        using var weights = TestModels.LoadGguf(folder.Write("tiny.gguf", TinyModel.Gguf(architecture).Build()), out var config);
        AssertWhole(weights, config);
    }

    [Theory]
    [InlineData("llama", WeightType.F32)]
    [InlineData("mistral", WeightType.F16)]
    [InlineData("qwen2", WeightType.BF16)]
    [InlineData("qwen3", WeightType.BF16)]
    public void FolderGivesEveryPartOfALayer(string modelType, WeightType type)
    {
        using var folder = new TempFolder();
        TinyModel.WriteFolder(folder, modelType, type);
        using var weights = TestModels.LoadFolder(folder.Path, out var config);
        AssertWhole(weights, config);
        Assert.Equal(type, weights.Layers[0].Down.Type);
    }

    [Theory]
    [InlineData("F32", 1)]
    [InlineData("F16", 2)]
    [InlineData("BF16", 3)]
    public void NormsOfEveryTypeAreDecoded(string type, int seed)
    {
        float[] expected = [.. Enumerable.Range(0, 32).Select(i => (i - seed) * 0.25f)];
        byte[] content = type switch
        {
            "F32" => [.. expected.SelectMany(BitConverter.GetBytes)],
            "F16" => [.. expected.SelectMany(value => BitConverter.GetBytes((Half)value))],
            _ => [.. expected.SelectMany(value => BitConverter.GetBytes((ushort)(BitConverter.SingleToUInt32Bits(value) >> 16)))],
        };
        using var folder = new TempFolder();
        TinyModel.WriteFolder(folder);
        folder.Write("model.safetensors", TinyModel.Safetensors().Without("model.norm.weight").Tensor("model.norm.weight", type, [32], content).Build());
        using var weights = TestModels.LoadFolder(folder.Path, out _);
        Assert.Equal(expected, weights.OutputNorm);
    }

    [Fact]
    public void TiedHeadIsTheEmbeddingAndCountsOnce()
    {
        using var folder = new TempFolder();
        using var untied = TestModels.LoadGguf(folder.Write("untied.gguf", TinyModel.Gguf().Build()), out _);
        using var tied = TestModels.LoadGguf(folder.Write("tied.gguf", TinyModel.Gguf().Without("output.weight").Build()), out _);
        Assert.Equal(tied.Embedding.Data.Address, tied.Output.Data.Address);
        Assert.NotEqual(untied.Embedding.Data.Address, untied.Output.Data.Address);
        Assert.Equal(untied.Bytes - untied.Output.Bytes, tied.Bytes);
    }

    [Theory]
    [InlineData(SyntheticWeights.Q4_0)]
    [InlineData(SyntheticWeights.Q8_0)]
    [InlineData(SyntheticWeights.Q4_K_M)]
    public void PackedWeightsGiveTheSameTokensAndStepBytesWithinThreePercent(SyntheticWeights kind)
    {
        using var stored = Model.Synthetic("tiny", kind, options: TestModels.AsStored);
        using var packed = Model.Synthetic("tiny", kind);
        Assert.Equal(0, stored.Weights.PackedBytes);
        Assert.Equal(PackedWeights.Pays(WeightType.Q8_0), packed.Weights.PackedBytes > 0);
        Assert.InRange(packed.Weights.StepBytes, stored.Weights.StepBytes, stored.Weights.StepBytes * 103 / 100);
        if (packed.Weights.PackedBytes > 0)
            Assert.Equal(packed.Weights.StepBytes, packed.Weights.PackedBytes);
        Assert.Equal(Tokens(stored), Tokens(packed));
    }

    [Fact]
    public void FolderThatTiesIgnoresAHeadOfItsOwn()
    {
        using var folder = new TempFolder();
        TinyModel.WriteFolder(folder);
        folder.Write("config.json", TinyModel.Config("llama", ("tie_word_embeddings", "true")));
        using var weights = TestModels.LoadFolder(folder.Path, out _);
        Assert.Equal(weights.Embedding.Data.Address, weights.Output.Data.Address);
    }

    [Fact]
    public void UntiedFolderWithoutAHeadIsRefused() => AssertFolderRefused(writer => writer.Without("lm_head.weight"), KvasirError.BadFile, "tensor 'lm_head.weight' is missing");

    [Fact]
    public void RotaryBuffersAreIgnored()
    {
        using var folder = new TempFolder();
        TinyModel.WriteFolder(folder);
        folder.Write("model.safetensors", TinyModel.Safetensors().Tensor("model.layers.0.self_attn.rotary_emb.inv_freq", "F32", [4], new byte[16]).Build());
        using var weights = TestModels.LoadFolder(folder.Path, out _);
        Assert.Single(weights.Layers);
    }

    // As the published files of GPT-NeoX and Pythia have masks of bytes, and others have positions in integers.
    [Fact]
    public void BuffersOfTypesThatNoWeightHasAreIgnoredAndWeightsOfThemAreNot()
    {
        using var folder = new TempFolder();
        TinyModel.WriteFolder(folder);
        folder.Write("model.safetensors", TinyModel.Safetensors().Tensor("model.position_ids", "I64", [1, 2], new byte[16])
            .Tensor("model.layers.0.self_attn.rotary_emb.inv_freq", "F64", [4], new byte[32]).Build());
        using (var weights = TestModels.LoadFolder(folder.Path, out _))
            Assert.Single(weights.Layers);
        folder.Write("model.safetensors", TinyModel.Safetensors().Tensor("model.layers.0.self_attn.q_proj.qweight", "I32", [2], new byte[8]).Build());
        Assert.EndsWith(
            "tensor 'model.layers.0.self_attn.q_proj.qweight' has the dtype 'I32'; supported are F32, F16, BF16",
            Assert.Throws<KvasirException>(() => TestModels.LoadFolder(folder.Path, out _)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("language_model.model.", "language_model.lm_head.weight", "vision_tower.patch.weight")]
    [InlineData("model.language_model.", "lm_head.weight", "model.vision_tower.patch.weight")]
    public void TheTextModelOfOneThatSeesPicturesIsRead(string inside, string head, string picture)
    {
        using var folder = new TempFolder();
        var text = TinyModel.Config("mistral", ("architectures", "null"));
        folder.Write("config.json", $$$"""{"model_type": "mistral3", "architectures": ["Mistral3ForConditionalGeneration"], "text_config": {{{text}}}, "vision_config": {"model_type": "pixtral"}}""");
        var writer = TinyModel.Safetensors("mistral").Renamed(name => name == "lm_head.weight" ? head : inside + name["model.".Length..]);
        folder.Write("model.safetensors", writer.Tensor(picture, "F32", [1], new byte[4]).Build());
        var notes = new Notes();
        Assert.Equal("mistral", ModelFamilies.Read(folder.Path, notes).Architecture);
        Assert.Contains("'text_config' is read alone", Assert.Single(notes.Lines), StringComparison.Ordinal);
        using (var weights = TestModels.LoadFolder(folder.Path, out _))
            Assert.Single(weights.Layers);
        folder.Write("model.safetensors", writer.Tensor("other_tower.conv.weight", "F32", [1], new byte[4]).Build());
        Assert.Contains("'other_tower.conv.weight' has no place", Assert.Throws<KvasirException>(() => TestModels.LoadFolder(folder.Path, out _)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ANormUnderAnotherFamilysNameIsMissed() =>
        AssertGgufRefused(TinyModel.Gguf("seed_oss"), KvasirError.BadFile, "tensor 'blk.0.post_attention_norm.weight' is missing");

    [Fact]
    public void TensorWithoutAPlaceIsRefused()
    {
        AssertGgufRefused(TinyModel.Gguf().Tensor("blk.0.ssm_a", WeightType.F32, [1], new byte[4]), KvasirError.Unsupported, "tensor 'blk.0.ssm_a' has no place in a llama model of 1 layers");
        AssertGgufRefused(TinyModel.Gguf().Tensor("blk.1.attn_norm.weight", WeightType.F32, [32], new byte[128]), KvasirError.Unsupported, "'blk.1.attn_norm.weight'");
        AssertFolderRefused(writer => writer.Tensor("model.layers.0.mlp.up_proj.bias", "F32", [64], new byte[256]), KvasirError.Unsupported, "'model.layers.0.mlp.up_proj.bias'");
    }

    [Fact]
    public void MissingTensorIsNamed()
    {
        AssertGgufRefused(TinyModel.Gguf().Without("blk.0.ffn_up.weight"), KvasirError.BadFile, "tensor 'blk.0.ffn_up.weight' is missing");
        AssertGgufRefused(TinyModel.Gguf("qwen2").Without("blk.0.attn_k.bias"), KvasirError.BadFile, "tensor 'blk.0.attn_k.bias' is missing");
        AssertGgufRefused(TinyModel.Gguf("qwen3").Without("blk.0.attn_q_norm.weight"), KvasirError.BadFile, "tensor 'blk.0.attn_q_norm.weight' is missing");
    }

    // Some writers keep an axis of size 1 in front of or behind the others: the numbers lie the same.
    [Theory]
    [InlineData("blk.0.attn_norm.weight", 1)]
    [InlineData("blk.0.attn_norm.weight", 3)]
    [InlineData("output_norm.weight", 1)]
    [InlineData("blk.0.attn_q.bias", 1)]
    [InlineData("blk.0.ffn_up.weight", 2)]
    [InlineData("token_embd.weight", 2)]
    public void GgufAxesOfSizeOneAreNone(string name, int axes)
    {
        using var folder = new TempFolder();
        var plain = TinyModel.Gguf("qwen2");
        using var file = Gguf.Open(folder.Write("plain.gguf", plain.Build()));
        Assert.True(file.TryFind(name, out var tensor));
        var content = tensor.View.Span(0, (int)tensor.View.Bytes).ToArray();
        var changed = TinyModel.Gguf("qwen2").Without(name).Tensor(name, tensor.Type, [.. tensor.Shape, .. Enumerable.Repeat(1L, axes)], content);
        using var expected = TestModels.LoadGguf(folder.File("plain.gguf"), out _);
        using var weights = TestModels.LoadGguf(folder.Write("axes.gguf", changed.Build()), out var config);
        AssertWhole(weights, config);
        Assert.Equal(expected.OutputNorm, weights.OutputNorm);
        Assert.Equal(expected.Layers[0].AttentionNorm, weights.Layers[0].AttentionNorm);
        Assert.Equal(expected.Layers[0].QueryBias!, weights.Layers[0].QueryBias!);
        Assert.Equal(expected.Layers[0].Up.Row(63), weights.Layers[0].Up.Row(63));
        Assert.Equal(expected.Embedding.Row(15), weights.Embedding.Row(15));
    }

    [Theory]
    [InlineData("model.norm.weight", new long[] { 1, 32 })]
    [InlineData("model.norm.weight", new long[] { 32, 1, 1 })]
    [InlineData("model.layers.0.mlp.up_proj.weight", new long[] { 1, 64, 32 })]
    [InlineData("model.layers.0.mlp.up_proj.weight", new long[] { 64, 1, 32, 1 })]
    public void FolderAxesOfSizeOneAreNone(string name, long[] shape)
    {
        using var folder = new TempFolder();
        TinyModel.WriteFolder(folder);
        byte[] content = [.. Enumerable.Range(0, (int)(2 * shape.Aggregate(static (product, size) => product * size))).Select(static i => (byte)(i % 64))];
        folder.Write("model.safetensors", TinyModel.Safetensors().Without(name).Tensor(name, "BF16", shape, content).Build());
        using var weights = TestModels.LoadFolder(folder.Path, out var config);
        AssertWhole(weights, config);
        Assert.Equal(name == "model.norm.weight" ? 32 : 64, name == "model.norm.weight" ? weights.OutputNorm.Length : weights.Layers[0].Up.Rows);
    }

    [Fact]
    public void OtherShapeIsNamedWithTheExpectedOne()
    {
        AssertGgufRefused(
            TinyModel.Gguf().Without("blk.0.attn_k.weight").Tensor("blk.0.attn_k.weight", WeightType.F32, [32, 17], new byte[32 * 17 * 4]),
            KvasirError.BadFile, "tensor 'blk.0.attn_k.weight' has the shape [17, 32]", "[16, 32] was expected");
        AssertFolderRefused(
            writer => writer.Without("model.norm.weight").Tensor("model.norm.weight", "BF16", [31], new byte[62]),
            KvasirError.BadFile, "tensor 'model.norm.weight' has the shape [31]; [32] was expected");
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void NormThatIsNotFiniteIsRefused(float value)
    {
        var content = new byte[128];
        BitConverter.GetBytes(value).CopyTo(content, 20);
        AssertGgufRefused(
            TinyModel.Gguf().Without("blk.0.ffn_norm.weight").Tensor("blk.0.ffn_norm.weight", WeightType.F32, [32], content),
            KvasirError.BadFile, $"tensor 'blk.0.ffn_norm.weight' holds {value} at index 5");
    }

    // A bias of zeros changes nothing, so that a file with all three says what one of them does. Files have them in any layer.
    [Theory]
    [InlineData("attn_q")]
    [InlineData("attn_k")]
    [InlineData("attn_v")]
    [InlineData("attn_q attn_v")]
    [InlineData("attn_q attn_k attn_v")]
    public void ABiasByItselfIsAddedAsBesideOthersOfZeros(string named)
    {
        var (alone, padded) = (StoriesCopy.Gguf(), StoriesCopy.Gguf());
        var random = new Random(7);
        foreach (var part in new[] { "attn_q", "attn_k", "attn_v" })
        {
            var bias = new float[part == "attn_q" ? 64 : 32];
            if (!named.Split(' ').Contains(part))
            {
                Add(padded, part, bias);
                continue;
            }

            for (var i = 0; i < bias.Length; i++)
                bias[i] = 2 * (random.NextSingle() - 0.5f);
            Add(alone, part, bias);
            Add(padded, part, bias);
        }

        var logits = Logits(alone);
        Assert.Equal(Logits(padded), logits);
        Assert.True(Logits(StoriesCopy.Gguf()).Zip(logits, static (without, with) => Math.Abs(without - with)).Max() > 1e-3);

        static void Add(GgufWriter writer, string part, float[] bias) =>
            writer.Tensor($"blk.2.{part}.bias", WeightType.F32, [bias.Length], [.. bias.SelectMany(BitConverter.GetBytes)]);
    }

    private static float[] Logits(GgufWriter writer)
    {
        using var folder = new TempFolder();
        using var model = Model.Load(folder.Write("biased.gguf", writer.Build()));
        float[] last = [];
        Generation.Run(
            model, new EngineOptions { Threads = 1, Kv = KvFormat.F32, ContextTokens = 256, KvMemoryBytes = 16 << 20 }, [1, 2, 3, 4, 5, 6, 7, 8, 9],
            Generation.Greedy(1) with { Logits = (_, logits) => last = logits.ToArray() });
        Assert.Equal(512, last.Length);
        return last;
    }

    [Fact]
    public void QuantisedNormIsRefused() => AssertGgufRefused(
        TinyModel.Gguf().Without("output_norm.weight").Tensor("output_norm.weight", WeightType.Q8_0, [32], new byte[34]),
        KvasirError.BadFile, "tensor 'output_norm.weight' is a vector of Q8_0");

    private static int[] Tokens(Model model)
    {
        using var engine = new Engine(model, new EngineOptions { Threads = 1, ContextTokens = 256, KvMemoryBytes = 16 << 20 });
        var sequence = new Sequence([1, 2, 3, 4, 5, 6, 7, 8, 9], new GenerationOptions { MaxTokens = 20, Sampling = SamplingOptions.Greedy, IgnoreEnd = true });
        engine.Submit(sequence);
        while (sequence.Finish == FinishReason.None)
            engine.Step();
        return sequence.Tokens.ToArray();
    }

    private static void AssertWhole(Weights weights, ModelConfig config)
    {
        weights.ReadAhead();
        var layer = Assert.Single(weights.Layers);
        Assert.Equal((16, 32), (weights.Embedding.Rows, weights.Embedding.Columns));
        Assert.Equal((16, 32), (weights.Output.Rows, weights.Output.Columns));
        Assert.Equal((32, 32, 16, 32, 16, 32), (layer.Query.Rows, layer.Query.Columns, layer.Key.Rows, layer.Key.Columns, layer.Value.Rows, layer.Value.Columns));
        Assert.Equal((64, 32, 64, 32, 32, 64), (layer.Gate.Rows, layer.Gate.Columns, layer.Up.Rows, layer.Up.Columns, layer.Down.Rows, layer.Down.Columns));
        Assert.Equal((32, 32, 32), (layer.AttentionNorm!.Length, layer.FeedForwardNorm!.Length, weights.OutputNorm.Length));
        Assert.Equal(config.Layers[0].HasQkvBias ? (32, 16, 16) : (null, null, null), (layer.QueryBias?.Length, layer.KeyBias?.Length, layer.ValueBias?.Length));
        Assert.Equal(config.Layers[0].QkNorm == QkNorm.Heads ? (8, 8) : (null, null), (layer.QueryNorm?.Length, layer.KeyNorm?.Length));
        Assert.Null(layer.OutputBias);
    }

    private static void AssertGgufRefused(GgufWriter writer, KvasirError error, params string[] parts)
    {
        using var folder = new TempFolder();
        var path = folder.Write("tiny.gguf", writer.Build());
        AssertMessage(Assert.Throws<KvasirException>(() => TestModels.LoadGguf(path, out _)), error, [path, .. parts]);
    }

    private static void AssertFolderRefused(Action<SafetensorsWriter> change, KvasirError error, params string[] parts)
    {
        using var folder = new TempFolder();
        TinyModel.WriteFolder(folder);
        var writer = TinyModel.Safetensors();
        change(writer);
        var path = folder.Write("model.safetensors", writer.Build());
        AssertMessage(Assert.Throws<KvasirException>(() => TestModels.LoadFolder(folder.Path, out _)), error, [path, .. parts]);
    }

    private static void AssertMessage(KvasirException exception, KvasirError error, string[] parts)
    {
        Assert.Equal(error, exception.Error);
        Assert.All(parts, part => Assert.Contains(part, exception.Message, StringComparison.Ordinal));
    }
}
