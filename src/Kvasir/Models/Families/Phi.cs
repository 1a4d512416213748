using Kvasir.Files;
using Kvasir.Models.Configs;
using Kvasir.Models.Readers;

namespace Kvasir.Models.Families;

/// <summary>Phi-3 to Phi-4: Llama with joined matrices, a part of each head that does not rotate, and LongRoPE.</summary>
internal static class Phi
{
    public static readonly ModelFamily Third = new()
    {
        Models = "Phi-3 and 3.5 (mini, medium), Phi-4 (14B, mini)",
        Differs = "LongRoPE, a part of each head rotates; GGUF files of models with a window run without, as the reference does",
        Gguf = "phi3",
        FolderType = "phi3",
        Classes = ["Phi3ForCausalLM"],
        RotaryShare = 1,
        FromGguf = static (keys, config) => config with { SlidingWindowTokens = null },
        FromFolder = static (fields, config) =>
            config with { SlidingWindowTokens = JsonWindow.Read(fields) is { } window && window < config.ContextTokens ? window : null },
    };
}
