using System.Text;
using System.Text.Json.Nodes;
using Kvasir.Test.Models;

namespace Kvasir.Test.Text;

/// <summary>Every form of tokenizer.json that is held against references: vocabularies as they are, and those cut by the words of other families' files.</summary>
internal static class TokenizerForms
{
    /// <summary>The expressions by which DeepSeek 3's files cut, one behind the other.</summary>
    public static readonly string[] DeepSeek =
    [
        @"\p{N}{1,3}",
        "[\u4E00-\u9FA5\u3040-\u309F\u30A0-\u30FF]+",
        @"[!""#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    ];

    private const string Gpt4o = @"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    private const string Seed = @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+";

    public static IReadOnlyList<string> Names { get; } =
        ["llama3", "gpt2", "qwen2", "smollm", "tekken", "falcon", "cjk", "stories260K", "cjk-first", "gpt-4o", "seed", "gemma", "deepseek"];

    /// <summary>The text of a form's file.</summary>
    public static byte[] Json(string name) => name switch
    {
        "cjk-first" => FirstMetaspace(),
        "gpt-4o" => Cut("llama3", Gpt4o),
        "seed" => Cut("qwen2", Seed),
        "gemma" => Gemma(),
        "deepseek" => Cut("llama3", DeepSeek),
        "stories260K" => File.ReadAllBytes(Path.Combine(TestModels.StoriesFolder, "tokenizer.json")),
        _ => TokenizerFixture.Unpack(name + ".json"),
    };

    // By expressions in place of the file's own, each of which cuts what those before it have left.
    private static byte[] Cut(string vocabulary, params string[] expressions)
    {
        var json = JsonNode.Parse(TokenizerFixture.Unpack(vocabulary + ".json"))!;
        var steps = json["pre_tokenizer"]!["pretokenizers"]!.AsArray();
        json["pre_tokenizer"]!["pretokenizers"] = new JsonArray([.. expressions.Select(Step), .. steps.Skip(1).Select(static step => step!.DeepClone())]);
        return Encoding.UTF8.GetBytes(json.ToJsonString());

        JsonNode Step(string expression)
        {
            var step = steps[0]!.DeepClone();
            step["pattern"]!["Regex"] = expression;
            return step;
        }
    }

    private static byte[] Gemma()
    {
        var json = JsonNode.Parse(TokenizerFixture.Unpack("cjk.json"))!;
        json["normalizer"] = JsonNode.Parse("""{"type":"Replace","pattern":{"String":" "},"content":"\u2581"}""");
        json["pre_tokenizer"] = JsonNode.Parse("""{"type":"Split","pattern":{"String":" "},"behavior":"MergedWithPrevious","invert":false}""");
        return Encoding.UTF8.GetBytes(json.ToJsonString());
    }

    private static byte[] FirstMetaspace()
    {
        var json = Encoding.UTF8.GetString(TokenizerFixture.Unpack("cjk.json"));
        const string steps = """"normalizer":{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"▁"},{"type":"Replace","pattern":{"String":" "},"content":"▁"}]},"pre_tokenizer":null"""";
        Assert.Contains(steps, json, StringComparison.Ordinal);
        return Encoding.UTF8.GetBytes(json.Replace(
            steps, """"normalizer":null,"pre_tokenizer":{"type":"Metaspace","replacement":"▁","prepend_scheme":"first","split":false}"""", StringComparison.Ordinal));
    }
}
