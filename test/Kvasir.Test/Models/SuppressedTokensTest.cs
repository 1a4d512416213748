using System.Text;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Matrix;
using Kvasir.Text;

namespace Kvasir.Test.Models;

/// <summary>Tokens that a model's makers say are never to be drawn, as marks that end a picture in models whose pictures are not read here.</summary>
public sealed class SuppressedTokensTest
{
    private const string Key = "tokenizer.ggml.suppress_tokens";
    private static readonly int[] Prompt = [1, 2, 3, 4, 5];

    [Fact]
    public void TheyAreNotDrawnWhateverIsAskedFor()
    {
        var plain = Answer(Tiny(), Generation.Greedy(6));
        var banned = plain.Tokens[0];
        var greedy = Answer(Tiny().Set(Key, new[] { banned }), Generation.Greedy(6));
        var biased = Generation.Greedy(6) with { Sampling = SamplingOptions.Greedy with { LogitBias = new Dictionary<int, float> { [banned] = 100 } } };
        Assert.All(Answer(Tiny(), biased).Tokens, token => Assert.Equal(banned, token));
        Assert.DoesNotContain(banned, greedy.Tokens);
        Assert.DoesNotContain(banned, Answer(Tiny().Set(Key, new[] { banned }), biased).Tokens);
        // Drawn among the rest: all but the two that are left are banned.
        var two = Answer(Tiny().Set(Key, Enumerable.Range(2, 14).ToArray()), new GenerationOptions { MaxTokens = 60, IgnoreEnd = true, Sampling = new() { Temperature = 100, TopK = 0, TopP = 1, MinP = 0, Seed = 3 } });
        Assert.Equal([0, 1], two.Tokens.Distinct().Order());
        Assert.Equal(60, two.Tokens.Length);
    }

    // They are what the model says, whoever may draw them.
    [Fact]
    public void TheirProbabilitiesAreTold()
    {
        var options = Generation.Greedy(1) with { TopLogprobs = 3 };
        var first = Answer(Tiny(), options).Pieces[0];
        var second = Answer(Tiny().Set(Key, new[] { first.Token }), options).Pieces[0];
        Assert.Equal(first.TopLogprobs, second.TopLogprobs);
        Assert.Equal(first.TopLogprobs[1], new TokenLogprob(second.Token, second.Logprob));
    }

    [Fact]
    public void AFileThatNamesWhatNoTokenHasIsAdvice()
    {
        using var folder = new TempFolder();
        using var model = Model.Load(folder.Write("tiny.gguf", Tiny().Set(Key, new[] { 7, 16, -1, 3, 7 }).Build()));
        Assert.Equal([3, 7], model.Tokenizer.SuppressedTokens);
        Assert.Contains(model.Notes, static note => note.Contains("suppress_tokens names 16, which no token has", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("{\"suppress_tokens\":[258,7,7]}", "7 258")]
    [InlineData("{\"suppress_tokens\":9}", "9")]
    [InlineData("{\"suppress_tokens\":[-1,99999999,4]}", "4")]
    [InlineData("{\"suppress_tokens\":null}", "")]
    [InlineData("{\"suppress_tokens\":\"7\"}", "")]
    [InlineData("{}", "")]
    public void AFolderSaysSoInItsGenerationSettings(string json, string expected)
    {
        using var folder = new TempFolder();
        folder.Write("tokenizer.json", TokenizerFixture.Unpack("cjk.json"));
        folder.Write("generation_config.json", Encoding.UTF8.GetBytes(json));
        Assert.Equal(expected, string.Join(' ', Tokenizer.FromFolder(folder.Path).SuppressedTokens));
    }

    private static GgufWriter Tiny() => TinyModel.Gguf(matrices: WeightType.F32).Set("tokenizer.ggml.model", "llama");

    private static Generation Answer(GgufWriter writer, GenerationOptions options)
    {
        using var folder = new TempFolder();
        using var model = Model.Load(folder.Write("tiny.gguf", writer.Build()));
        return Generation.Run(model, new EngineOptions { Threads = 1, Kv = KvFormat.F32, ContextTokens = 256, KvMemoryBytes = 16 << 20 }, Prompt, options);
    }
}
