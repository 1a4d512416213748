using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Kvasir.Text;
using Reference = Tokenizers.DotNet.Tokenizer;

namespace Kvasir.Test.Text;

/// <summary>Token for token against Hugging Face's own library in this process, over texts that are new in every run. Goldens have the same texts for ever.</summary>
public sealed class HuggingFaceTokenizerTest
{
    public static TheoryData<string> Forms => [.. TokenizerForms.Names];

    [Theory]
    [InlineData("qwen2")]
    [InlineData("cjk")]
    public void FreshTextsAreCutAsHuggingFaceCutsThem(string form) => AssertSame(form, 400);

    [Theory]
    [Trait("Needs", "Minutes")]
    [MemberData(nameof(Forms))]
    public void TenThousandFreshTextsAreCutAsHuggingFaceCutsThem(string form) => AssertSame(form, 10_000);

    private static void AssertSame(string form, int count)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && RuntimeInformation.ProcessArchitecture == Architecture.X64, "the library's native part is for Linux on x64");
        var (seed, json) = (Random.Shared.Next(), TokenizerForms.Json(form));
        var tokenizer = TokenizerFixture.FromJson(json);
        var texts = new RandomText(new Random(seed), Pieces(json));
        var folder = Directory.CreateTempSubdirectory("kvasir-tokenizer-");
        try
        {
            var path = Path.Combine(folder.FullName, "tokenizer.json");
            File.WriteAllBytes(path, WithoutEnds(json));
            using var reference = new Reference(path);
            var differing = new List<string>();
            for (var i = 0; i < count; i++)
            {
                var text = texts.Next();
                var expected = Array.ConvertAll(reference.Encode(text), static id => (int)id);
                var found = tokenizer.Encode(text, addBegin: false, parseSpecial: true);
                if (!found.AsSpan().SequenceEqual(expected))
                    differing.Add($"{JsonSerializer.Serialize(text)}:\nexpected {Show(expected)}\nfound    {Show(found)}");
            }

            Assert.True(differing.Count == 0, $"{form}, seed {seed}: {differing.Count} of {count} texts differ, as {differing.FirstOrDefault()}");
        }
        finally
        {
            folder.Delete(recursive: true);
        }

        string Show(int[] tokens) => string.Join(' ', tokens.Select(token => $"{token}={tokenizer.Piece(token)}"));
    }

    // The library puts around a text what the file says, and cannot be told not to.
    private static byte[] WithoutEnds(byte[] json)
    {
        var node = JsonNode.Parse(json)!;
        node["post_processor"] = null;
        return Encoding.UTF8.GetBytes(node.ToJsonString());
    }

    // What a file has as tokens of its own, whole and cut.
    private static IReadOnlyList<string> Pieces(byte[] json)
    {
        var added = JsonNode.Parse(json)!["added_tokens"]?.AsArray().Select(static token => (string)token!["content"]!).ToArray() ?? [];
        return [.. added, .. added.Select(static token => token[..^1]), .. added.Select(static token => $" {token} "), "<|", "|>", "</s>", "[INST]"];
    }
}
