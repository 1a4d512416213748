using System.Security.Cryptography;
using System.Text;
using Kvasir.Evaluation;

namespace Kvasir.Tools.Test.Evaluation;

/// <summary>What holds for every task whose texts are made to a length.</summary>
public sealed class GeneratedTasksTest : IDisposable
{
    private const ulong Seed = 1;

    // At 500 tokens of a byte each, or of half a word, the room for the answer leaves too little for what these tasks consist of.
    private static readonly string[] TooLarge =
        ["niah_multikey_1 bytes", "niah_multikey_3 bytes", "niah_multivalue bytes", "niah_multiquery bytes", "cwe bytes", "cwe stories"];

    private readonly TempFolder _folder = new();

    private readonly string _questions;

    public GeneratedTasksTest() => _questions = QuestionFile.Write(_folder);

    public void Dispose() => _folder.Dispose();

    [Theory]
    [Trait("Needs", "Minutes")]
    [InlineData("bytes", 500)]
    [InlineData("bytes", 4096)]
    [InlineData("bytes", 32768)]
    [InlineData("stories", 500)]
    [InlineData("stories", 4096)]
    [InlineData("stories", 32768)]
    public void LengthsAreMetWithinOnePercentAndAnswersCanBeFound(string vocabulary, int length)
    {
        var tokenizer = EvaluationTokenizers.Named(vocabulary);
        foreach (var name in GeneratedTasks.Names.Where(name => length > 500 || !TooLarge.Contains($"{name} {vocabulary}")))
        {
            var task = GeneratedTasks.Create(name, _questions);
            for (var index = 0; index < 3; index++)
            {
                var sample = task.Generate(new SampleRequest(tokenizer, length, Seed, index));
                var tokens = tokenizer.Encode(sample.Prompt).Length + sample.AnswerTokens;
                Assert.True(tokens <= length && tokens >= 0.99 * length, $"{name} {index}: {tokens} tokens, {length} asked for, seed {Seed}");
                var found = TrivialReader.Answer(name, sample);
                Assert.True(sample.Score(found) == 1, $"{name} {index}: '{found}' is not '{string.Join('|', sample.Answers)}', seed {Seed}");
                Assert.True(tokenizer.Encode(" " + string.Join(", ", sample.Answers.Take(sample.Answers.Contains("nowhere at all") ? 1 : 99)), addBegin: false).Length <= sample.AnswerTokens, name);
            }
        }
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public void WhatDoesNotFitIsRefusedWithTheLengthThatWould()
    {
        foreach (var (name, vocabulary) in TooLarge.Select(pair => pair.Split(' ')).Select(pair => (pair[0], pair[1])))
        {
            var task = GeneratedTasks.Create(name, _questions);
            var tokenizer = EvaluationTokenizers.Named(vocabulary);
            var error = Assert.Throws<KvasirException>(() => task.Generate(new SampleRequest(tokenizer, 500, Seed, 0)));
            Assert.Equal(KvasirError.BadOption, error.Error);
            Assert.Contains("500 were asked for", error.Message, StringComparison.Ordinal);
            var least = int.Parse(error.Message.Split("at least ")[1].Split(' ')[0], System.Globalization.CultureInfo.InvariantCulture);
            var sample = task.Generate(new SampleRequest(tokenizer, least, Seed, 0));
            Assert.Equal(least, tokenizer.Encode(sample.Prompt).Length + sample.AnswerTokens);
        }

        Assert.All(GeneratedTasks.Names, name => Assert.Throws<KvasirException>(
            () => GeneratedTasks.Create(name, _questions).Generate(new SampleRequest(EvaluationTokenizers.Bytes, 0, Seed, 0))));
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public void TheSameRequestGivesTheSameTextAndAnyOtherSeedOrIndexAnother()
    {
        foreach (var name in GeneratedTasks.Names)
        {
            var prompts = new[] { (1UL, 0), (1UL, 0), (2UL, 0), (1UL, 1) }
                .Select(place => GeneratedTasks.Create(name, _questions).Generate(new SampleRequest(EvaluationTokenizers.Stories, 1000, place.Item1, place.Item2)).Prompt).ToArray();
            Assert.Equal(prompts[0], prompts[1]);
            Assert.Equal(3, prompts.Distinct().Count());
        }
    }

    [Theory]
    [InlineData("niah_single_1")]
    [InlineData("niah_single_3")]
    [InlineData("niah_multikey_1")]
    [InlineData("niah_multikey_2")]
    [InlineData("niah_multiquery")]
    [InlineData("vt")]
    [InlineData("fwe")]
    [InlineData("passkey")]
    [InlineData("needle_niah")]
    [InlineData("needle_trace")]
    public void ALongerTextHidesTheSameNeedle(string name)
    {
        var samples = new[] { 1000, 5000 }.Select(length => TaskCatalog.Create(name).Generate(new SampleRequest(EvaluationTokenizers.Stories, length, Seed, 5))).ToArray();
        Assert.Equal(samples[0].Question, samples[1].Question);
        Assert.Equal(samples[0].Answers, samples[1].Answers);
        Assert.Equal(samples[0].Depth, samples[1].Depth);
    }

    [Fact]
    public void FixedSeedsGiveFixedTexts()
    {
        var made = GeneratedTasks.Names.Select(name => $"{name} {Hash(GeneratedTasks.Create(name, _questions).Generate(new SampleRequest(EvaluationTokenizers.Stories, 4096, Seed, 0)))}");
        Assert.Equal(Golden, made);
    }

    private static readonly string[] Golden =
    [
        "niah_single_1 ec7277b6d7df8f016fa79df089ff53c0e9d38e4ff0eab39948fb9d0ddd98269d",
        "niah_single_2 31003da428513f9f6a140c08d674e43c417e09845d4f8766c7bdd72e123472cf",
        "niah_single_3 939c9dfddbd3fbc5b7ada3f32d75f82438105e058f0b8128d1f2516bc29f5500",
        "niah_multikey_1 9031485fcbae75a5287de348d766911896a50a503de2b961baafc867feb28ec7",
        "niah_multikey_2 5d8c8abea69a00a984a4e878102892e2f7f3513a1ce7d436f82917fe6801e01c",
        "niah_multikey_3 423bd60dbd995f78a3a082c54553910ee6cec7910cd58f23e750d0046bc7a5bf",
        "niah_multivalue ab816592396456e40b28b0f0faeaffbaf730bf0a3f72a7bebd7017dd5ab41f4d",
        "niah_multiquery e2c2d8f9da30e549bb4eb53edd29351d643205c318410c515d0b2af014ddf754",
        "niah 4a9af301089eacfcdfc0c8d52486220e5ef40a48ae80b83926b93ff3bf47718c",
        "vt 41a375ec955be5cc6597895c2e00ef707db122904e48c3c4ed6626edef059f74",
        "cwe 74acf4cc4837087d9f88062f706d533917745f8600094a32c6f8207c0880543a",
        "fwe 7ed3847dfbc1f2b675cb94dfd2cefe6fb0f1da9bbb12a4f50327b1152e17fa64",
        "qa_1 5ff101156ae8deb6dce9f969d826eb2e382782b222b5a13cd68c662653b6d43b",
        "qa_2 82af606124269009de614b311d8c17bfb416afd592fe16d8d2a84d81771e36be",
        "passkey 5d450360575c3c7bece88972c9b21d0d9c291546c18a8eb3732a6a91e2f0dacf",
        "needle_niah 2a467be0ad97f62b118978a1a95d832548d5914545298d783e6b97f71824eda2",
        "needle_multikey 8bc16059cd8380a4ab175cf4e0dbbad6e7a63e1854664696580ccc986340534d",
        "needle_trace be9f30630cf40a0aaa96acc2917128f00bc61feabd7c1b3f8da522308fc5aa37",
        "needle_common 84264c04ebb97c15d03bf601c67d74f0baff9d4a3a8f7c82a51d6ac1842f80a7",
        "needle_frequent d1cbcbdfe848ad01390901e77ffe683c1198c0e5ebabd41643f55d4f73336841",
    ];

    private static string Hash(Sample sample) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(
        string.Join('\0', [sample.Context, sample.Question, sample.AnswerPrefix, .. sample.Answers, $"{sample.AnswerTokens} {sample.Rule}"]))));
}
