namespace Kvasir.Text.Words;

/// <summary>Names of pre-tokenizers, with the aliases that stand for the very same rules.</summary>
internal static class WordPatternNames
{
    private static readonly NamedPattern Llama3 = new(WordPattern.Llama3, IgnoreMerges: true, AddsBegin: true);

    private static readonly NamedPattern Llama3Plain = new(WordPattern.Llama3, IgnoreMerges: false, AddsBegin: false);

    private static readonly NamedPattern Qwen2 = new(WordPattern.Qwen2, IgnoreMerges: false, AddsBegin: false);

    private static readonly NamedPattern Gpt2 = new(WordPattern.Gpt2, IgnoreMerges: false, AddsBegin: false);

    private static readonly NamedPattern SmolLm = new(WordPattern.SmolLm, IgnoreMerges: false, AddsBegin: false);

    private static readonly Dictionary<string, NamedPattern> Known = new(StringComparer.Ordinal)
    {
        ["llama-bpe"] = Llama3,
        ["llama3"] = Llama3,
        ["llama-v3"] = Llama3,
        ["falcon3"] = Llama3,
        ["falcon-h1"] = Llama3,
        ["pixtral"] = Llama3,
        ["midm-2.0"] = Llama3,
        ["lfm2"] = Llama3,
        ["smaug-bpe"] = Llama3Plain,
        ["dbrx"] = Llama3Plain,
        ["chatglm-bpe"] = Llama3Plain,
        ["glm4"] = Llama3Plain,
        ["qwen2"] = Qwen2,
        ["deepseek-r1-qwen"] = Qwen2,
        ["kormo"] = Qwen2,
        ["megrez"] = Qwen2,
        ["stablelm2"] = Qwen2,
        ["hunyuan"] = Qwen2,
        ["solar-open"] = Qwen2,
        ["grok-2"] = Qwen2,
        ["gpt-2"] = Gpt2,
        ["phi-2"] = Gpt2,
        ["mpt"] = Gpt2,
        ["olmo"] = Gpt2,
        ["jais"] = Gpt2,
        ["trillion"] = Gpt2,
        ["granite-docling"] = Gpt2,
        ["exaone4"] = Gpt2,
        ["gigachat"] = Gpt2,
        ["a.x-4.0"] = Gpt2,
        ["mellum"] = Gpt2,
        // A file that names nothing dates from before names were written; GPT-2's rules were the only ones then.
        ["default"] = Gpt2,
        [""] = Gpt2,
        ["smollm"] = SmolLm,
        ["starcoder"] = SmolLm,
        ["refact"] = SmolLm,
        ["command-r"] = SmolLm,
        ["codeshell"] = SmolLm,
        ["exaone"] = SmolLm,
        ["minerva-7b"] = SmolLm,
        ["mellum2"] = SmolLm,
        ["gpt-4o"] = new(WordPattern.Gpt4oAscii, IgnoreMerges: false, AddsBegin: false),
        ["seed-coder"] = new(WordPattern.Seed, IgnoreMerges: false, AddsBegin: false),
        ["hunyuan-dense"] = new(WordPattern.DeepSeek3, IgnoreMerges: false, AddsBegin: false),
        ["falcon"] = new(WordPattern.Falcon, IgnoreMerges: false, AddsBegin: false),
        ["tekken"] = new(WordPattern.TekkenAscii, IgnoreMerges: true, AddsBegin: true),
    };

    /// <summary>The names that are known, for messages.</summary>
    public static string List => string.Join(", ", Known.Keys.Where(name => name.Length > 0).Order(StringComparer.Ordinal));

    public static bool TryGet(string name, out NamedPattern pattern) => Known.TryGetValue(name, out pattern);
}

/// <summary>What a GGUF file's tokenizer.ggml.pre stands for.</summary>
/// <param name="Pattern">How words are cut.</param>
/// <param name="IgnoreMerges">Whether a word that is a piece is taken whole.</param>
/// <param name="AddsBegin">Whether the begin token goes in front unless the file says otherwise.</param>
internal readonly record struct NamedPattern(WordPattern Pattern, bool IgnoreMerges, bool AddsBegin);
