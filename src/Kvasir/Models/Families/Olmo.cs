using Kvasir.Files;
using Kvasir.Models.Configs;

namespace Kvasir.Models.Families;

/// <summary>OLMo 2: norms behind each branch, and of all heads of queries and of keys as one row.</summary>
internal static class Olmo
{
    public static readonly ModelFamily Second = new()
    {
        Models = "OLMo 2: 1B to 32B",
        Differs = "norms behind each branch and of whole rows of queries and keys; OLMo 3, with windows in some layers, does not run",
        Gguf = "olmo2",
        FolderType = "olmo2",
        Classes = ["Olmo2ForCausalLM"],
        FromGguf = static (keys, config) =>
        {
            keys.RequireNeutral("attention.sliding_window", 0, -1);
            return With(config);
        },
        FromFolder = static (fields, config) => With(config).WithBiases(fields),
    };

    private static ModelConfig With(ModelConfig config) => config.WithLayers(static layer => layer with { Norms = NormPlacement.After, QkNorm = QkNorm.Row });
}
