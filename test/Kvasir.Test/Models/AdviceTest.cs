using System.Text;
using Kvasir.Files;
using Kvasir.Models.Configs;

namespace Kvasir.Test.Models;

/// <summary>What a file says beside its sizes, layout and arithmetic is advice: where it cannot be followed the model loads without it, with one note.</summary>
public sealed class AdviceTest : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("tokenizer.ggml.eos_token_id", 512u, "tokenizer.ggml.eos_token_id is 512, which no token has")]
    [InlineData("tokenizer.ggml.unknown_token_id", 99_999u, "tokenizer.ggml.unknown_token_id is 99999, which no token has")]
    [InlineData("tokenizer.ggml.bos_token_id", 2.5f, "'tokenizer.ggml.bos_token_id' is F32; an integer was expected")]
    [InlineData("tokenizer.ggml.bos_token_id", 1f, null)]
    [InlineData("tokenizer.ggml.eos_token_id", uint.MaxValue, null)]
    [InlineData("tokenizer.ggml.scores", null, "tokenizer.ggml.scores is missing")]
    [InlineData("tokenizer.chat_template", 7u, "'tokenizer.chat_template' is U32; text was expected")]
    [InlineData("tokenizer.chat_template", "", "'tokenizer.chat_template' is empty")]
    [InlineData("tokenizer.chat_template", " \n", "'tokenizer.chat_template' is empty")]
    [InlineData("general.name", 7u, "'general.name' is U32; text was expected")]
    [InlineData("general.name", "", null)]
    [InlineData("llama.rope.scaling.yarn_ext_factor", -1f, "'llama.rope.scaling.yarn_ext_factor' has no effect without YaRN")]
    [InlineData("llama.rope.scaling.yarn_beta_fast", -1f, "'llama.rope.scaling.yarn_beta_fast' has no effect without YaRN")]
    [InlineData("llama.rope.scaling.yarn_log_multiplier", 0.1f, "'llama.rope.scaling.yarn_log_multiplier' has no effect without YaRN")]
    public void GgufSettingIsFollowedOrPassedOverWithOneNote(string key, object? value, string? note)
    {
        using var model = Model.Load(_folder.Write("changed.gguf", StoriesCopy.Gguf().Set(key, value).Build()));
        AssertNote(model, note, "changed.gguf");
        if (key.EndsWith("scores", StringComparison.Ordinal))
            Assert.NotEqual("", StoriesCopy.Story(model));
        else
            Assert.Equal(StoriesCopy.Story(TestModels.StoriesGguf), StoriesCopy.Story(model));
    }

    // Each is how some tool writes that there is none, or what the model does anyway.
    [Theory]
    [InlineData("llama.attention.scale", 0.35355338f)]
    [InlineData("llama.attention.scale", 0f)]
    [InlineData("llama.attention.key_length", 0u)]
    [InlineData("llama.attention.value_length", -1)]
    [InlineData("llama.attention.sliding_window", 0u)]
    [InlineData("llama.attention.sliding_window", -1)]
    [InlineData("llama.attention.sliding_window", uint.MaxValue)]
    [InlineData("llama.attention.causal", true)]
    [InlineData("llama.rope.dimension_count", 0u)]
    [InlineData("llama.rope.scaling.type", "")]
    [InlineData("llama.rope.scaling.type", "default")]
    [InlineData("llama.rope.scaling.factor", 0f)]
    [InlineData("llama.rope.scaling.attn_factor", 0f)]
    [InlineData("llama.rope.scale_linear", -1f)]
    [InlineData("llama.expert_count", 0u)]
    [InlineData("llama.expert_count", -1)]
    [InlineData("llama.logit_scale", 0f)]
    [InlineData("llama.embedding_scale", 0f)]
    [InlineData("llama.residual_scale", 0f)]
    [InlineData("llama.final_logit_softcapping", -1f)]
    [InlineData("llama.block_count", 5f)]
    [InlineData("split.count", (ushort)0)]
    [InlineData("split.tensors.count", 3)]
    public void GgufNoneIsWrittenInManyWays(string key, object value)
    {
        using var model = Model.Load(_folder.Write("changed.gguf", StoriesCopy.Gguf().Set(key, value).Build()));
        Assert.Empty(model.Notes);
        Assert.Equal(StoriesCopy.Story(TestModels.StoriesGguf), StoriesCopy.Story(model));
    }

    [Fact]
    public void GgufTextThatIsNotUtf8IsShownWithReplacementCharacters()
    {
        var pieces = Array.ConvertAll(Pieces(), static piece => (object)piece);
        pieces[500] = new GgufWriter.RawText([0xE9, (byte)'x']);
        var writer = StoriesCopy.Gguf().Set("general.name", new GgufWriter.RawText(Encoding.Latin1.GetBytes("café"))).Set("tokenizer.ggml.tokens", pieces);
        using var model = Model.Load(_folder.Write("latin.gguf", writer.Build()));
        Assert.Equal("caf\uFFFD", model.Config.Name);
        Assert.Equal("\uFFFDx", model.Tokenizer.Piece(500));
        Assert.Equal(2, model.Notes.Count);
        Assert.EndsWith("latin.gguf: key 'general.name' holds text that is not UTF-8; replacement characters stand for it", model.Notes[0], StringComparison.Ordinal);
        Assert.EndsWith("holds 1 of 512 texts that are not UTF-8, the first at index 500; replacement characters stand for them", model.Notes[1], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("llama.attention.scale", 0.1f)]
    [InlineData("llama.rope.freq_base", 0f)]
    [InlineData("llama.context_length", 0u)]
    [InlineData("llama.attention.head_count", 0u)]
    [InlineData("llama.attention.layer_norm_rms_epsilon", 0f)]
    [InlineData("tokenizer.ggml.model", "bert")]
    [InlineData("tokenizer.ggml.scores", new[] { 1f })]
    [InlineData("tokenizer.ggml.token_type", new[] { 1 })]
    [InlineData("llama.attention.head_count", "8")]
    public void SizesLayoutAndArithmeticAreRefused(string key, object value)
    {
        var path = _folder.Write("changed.gguf", StoriesCopy.Gguf().Set(key, value).Build());
        Assert.Contains(key, Assert.Throws<KvasirException>(() => Model.Load(path)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("model.safetensors")]
    [InlineData("tokenizer.json")]
    [InlineData("config.json")]
    public void APointerOfGitLfsIsCalledOne(string name)
    {
        StoriesCopy.Folder(_folder);
        var path = _folder.Write(name, "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n");
        Assert.Equal(
            $"{path} is a pointer of Git LFS in the place of the file; git lfs pull fetches the file itself",
            Assert.Throws<KvasirException>(() => Model.Load(_folder.Path)).Message);
    }

    // What is there and says none is not called missing.
    [Fact]
    public void ASizeThatIsNoneIsSaidToBe()
    {
        var path = _folder.Write("none.gguf", StoriesCopy.Gguf().Set("llama.feed_forward_length", 0u).Build());
        Assert.EndsWith(
            "key 'llama.feed_forward_length' is 0, -1 or empty, which is how tools write none, and there has to be one",
            Assert.Throws<KvasirException>(() => Model.Load(path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void PiecesWithoutANumberForAScoreComeLast()
    {
        using var file = Gguf.Open(TestModels.StoriesGguf);
        var scores = file.Metadata.Numbers("tokenizer.ggml.scores")!;
        scores[3] = scores[300] = float.NaN;
        using var model = Model.Load(_folder.Write("scores.gguf", StoriesCopy.Gguf().Set("tokenizer.ggml.scores", scores).Build()));
        Assert.EndsWith("key tokenizer.ggml.scores holds NaN 2 times; those pieces count as the least good", Assert.Single(model.Notes), StringComparison.Ordinal);
        Assert.Equal(StoriesCopy.Story(TestModels.StoriesGguf), StoriesCopy.Story(model));
    }

    [Theory]
    [InlineData("config.json", """ "eos_token_id": 512""", "key eos_token_id is 512, which no token has")]
    [InlineData("config.json", """ "eos_token_id": [2, 512]""", "key eos_token_id[1] is 512, which no token has")]
    [InlineData("config.json", """ "eos_token_id": "2" """, "key eos_token_id is String; an integer was expected")]
    [InlineData("config.json", """ "bos_token_id": {}""", "key bos_token_id is Object; an integer was expected")]
    [InlineData("config.json", """ "pad_token_id": -1, "eos_token_id": -1, "bos_token_id": null""", null)]
    [InlineData("config.json", """ "architectures": "LlamaForCausalLM" """, "key 'architectures' is \"LlamaForCausalLM\"; an array of text was expected")]
    [InlineData("config.json", """ "sliding_window": null, "head_dim": 0, "rope_scaling": {"type": "none", "factor": 0}, "num_local_experts": 0, "quantization_config": {}""", null)]
    [InlineData("config.json", """ "hidden_act": "swish", "rope_scaling": {"rope_type": null}, "num_key_value_heads": 4.0""", null)]
    [InlineData("generation_config.json", """ "eos_token_id": -1""", null)]
    [InlineData("generation_config.json", """ "top_k": -1""", null)]
    [InlineData("generation_config.json", """ "top_p": 1.5""", "key 'top_p' is 1.5; 1E-06 to 1 is allowed")]
    [InlineData("generation_config.json", """ "repetition_penalty": 0""", "key 'repetition_penalty' is 0; 0.001 to 100 is allowed")]
    [InlineData("generation_config.json", """ "min_p": "x" """, "key 'min_p' is \"x\"; a number was expected")]
    [InlineData("generation_config.json", """ "top_k": 2.5""", "key 'top_k' is 2.5; an integer was expected")]
    [InlineData("generation_config.json", """ "do_sample": 1, "temperature": null""", "key 'do_sample' is 1; true or false was expected")]
    [InlineData("generation_config.json", """ "temperature": [1]""", "key 'temperature' is [1]; a number was expected")]
    [InlineData("generation_config.json", """ "temperature": 1, "temperature": 2""", "key 'temperature' occurs twice")]
    [InlineData("generation_config.json", " nonsense", "is not valid JSON")]
    [InlineData("special_tokens_map.json", " nonsense", "is not valid JSON")]
    [InlineData("special_tokens_map.json", """ "eos_token": 2""", null)]
    [InlineData("tokenizer_config.json", """ "bos_token": 1""", "key bos_token is Number; a string was expected")]
    [InlineData("tokenizer_config.json", """ "eos_token": {"id": 2}""", "key eos_token has no key 'content'")]
    [InlineData("tokenizer_config.json", """ "add_bos_token": "yes" """, "key add_bos_token is String; a boolean was expected")]
    [InlineData("tokenizer_config.json", """ "eos_token": null, "bos_token": "" """, null)]
    [InlineData("tokenizer_config.json", " nonsense", ": 'n' is an invalid start of a property name. Expected a '\"'; it counts as absent")]
    [InlineData("tokenizer_config.json", """ "chat_template": 3""", "key chat_template is Number; a string was expected")]
    [InlineData("tokenizer_config.json", """ "chat_template": "" """, "key chat_template is empty")]
    [InlineData("tokenizer_config.json", """ "chat_template": [{"name": "default"}]""", "key chat_template[0] has no key 'template'")]
    [InlineData("config.json", """ "router_aux_loss_coef": NaN, "floor": -Infinity, "ceiling": Infinity, "why": "NaN \" Infinity" """, null)]
    [InlineData("generation_config.json", """ "temperature": NaN""", "key 'temperature' is \"NaN\"; a number was expected")]
    public void JsonSettingIsFollowedOrPassedOverWithOneNote(string fileName, string fields, string? note)
    {
        StoriesCopy.Folder(_folder);
        var sound = File.Exists(_folder.File(fileName)) ? File.ReadAllText(_folder.File(fileName)) : "{ \"transformers_version\": \"4\"}";
        foreach (var key in System.Text.RegularExpressions.Regex.Matches(fields, "\"(?<key>[a-z_]+)\":").Select(match => match.Groups["key"].Value).Distinct())
            sound = System.Text.RegularExpressions.Regex.Replace(sound, $"\"{key}\": *(\\[[^\\]]*\\]|[^,}}]*),?", "").Replace(",\n}", "}", StringComparison.Ordinal);
        _folder.Write(fileName, $"{sound.TrimEnd().TrimEnd('}').TrimEnd().TrimEnd(',')},{fields}}}");
        using var model = Model.Load(_folder.Path);
        AssertNote(model, note, fileName);
        Assert.Equal(StoriesCopy.Story(TestModels.StoriesGguf), StoriesCopy.Story(model));
        SamplingOptions.For(model.Defaults).Checked(512);
    }

    [Fact]
    public void TopKOfMinusOneIsAllTokens()
    {
        _folder.Write("generation_config.json", """{"top_k": -1, "top_p": 0.9}""");
        Assert.Equal(new GenerationDefaults(TopP: 0.9, TopK: 0), GenerationDefaults.FromFolder(_folder.Path));
    }

    private static string[] Pieces()
    {
        using var file = Gguf.Open(TestModels.StoriesGguf);
        return file.Metadata.Strings("tokenizer.ggml.tokens")!;
    }

    private static void AssertNote(Model model, string? note, string fileName)
    {
        if (note is null)
        {
            Assert.Empty(model.Notes);
            return;
        }

        var line = Assert.Single(model.Notes);
        Assert.Contains(note, line, StringComparison.Ordinal);
        Assert.Contains(fileName, line, StringComparison.Ordinal);
    }
}
