using Kvasir.Files;
using Kvasir.Kernels.Elementwise;
using Kvasir.Models.Readers;

namespace Kvasir.Models.Families;

/// <summary>ERNIE 4.5 without experts: Llama, whose rows are interleaved in folders too.</summary>
internal static class Ernie
{
    public static readonly ModelFamily Dense = new()
    {
        Models = "ERNIE 4.5: 0.3B",
        Differs = "interleaved in both containers; the mixtures of experts do not run",
        Gguf = "ernie4_5",
        FolderType = "ernie4_5",
        Classes = ["Ernie4_5ForCausalLM", "Ernie4_5_ForCausalLM"],
        GgufOrder = RopeOrder.Interleaved,
        FolderOrder = RopeOrder.Interleaved,
        UsualHeadDim = 128,
        TiesByDefault = true,
        FromGguf = static (keys, config) => config.WithBiases(keys),
        FromFolder = static (fields, config) =>
        {
            fields.RequireFalse("use_bias");
            return config;
        },
    };
}
