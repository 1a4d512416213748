using System.Text.Json;
using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Test.Models;

/// <summary>The bundled model in both formats, against the 200 tokens that llama.cpp continues with (tools/golden-logits).</summary>
public sealed class GoldenStoryTest
{
    private static readonly JsonSerializerOptions CamelCase = new(JsonSerializerDefaults.Web);

    private static readonly Story Golden = JsonSerializer.Deserialize<Story>(File.ReadAllText(GoldenLogitsCase.FixturePath("stories260K.json")), CamelCase)!;

    public static TheoryData<string> Paths => [TestModels.StoriesGguf, TestModels.StoriesFolder];

    [Theory, MemberData(nameof(Paths))]
    public void GreedyTextIsTheOneOfLlamaCpp(string path)
    {
        using var model = Model.Load(path);
        Assert.Equal(Golden.PromptTokens, model.Tokenizer.Encode(Golden.Prompt));
        using var engine = new Engine(model, new EngineOptions { Threads = 2, Kv = KvFormat.F32, KvMemoryBytes = 16 << 20 });
        var generation = Generation.Run(engine, Golden.PromptTokens, Generation.Greedy(Golden.Tokens.Length));
        Assert.Equal(Golden.Tokens, generation.Tokens);
        Assert.Equal(Golden.Text, generation.Text);
    }

    // The cache that a user gets is bfloat16; 135 tokens are as far as its rounding was seen to change nothing.
    [Theory, MemberData(nameof(Paths))]
    public void DefaultSettingsBeginTheSameStory(string path)
    {
        using var model = Model.Load(path);
        using var engine = new Engine(model, new EngineOptions { KvMemoryBytes = 16 << 20 });
        var generation = Generation.Run(engine, Golden.PromptTokens, Generation.Greedy(135));
        Assert.Equal(Golden.Tokens[..135], generation.Tokens);
        Assert.StartsWith(", there was a little girl named Lily. She loved to play outside in the park.", generation.Text, StringComparison.Ordinal);
    }

    private sealed record Story(string Prompt, int[] PromptTokens, int[] Tokens, string Text);
}
