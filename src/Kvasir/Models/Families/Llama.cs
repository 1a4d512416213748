using Kvasir.Kernels.Elementwise;
using Kvasir.Models.Configs;
using Kvasir.Models.Readers;

namespace Kvasir.Models.Families;

/// <summary>Llama, and what is made as it is: most of what is published says llama in GGUF.</summary>
internal static class Llama
{
    public static readonly ModelFamily Family = new()
    {
        Models = "Llama 1 to 3.3, Vicuna, LongChat, LWM, Yi, SmolLM 1 and 2, Falcon 3; in GGUF Mistral 7B, Nemo and Small, and Mixtral, too",
        Differs = "biases where the file has some; heads need not divide the width; experts where the file has some",
        Gguf = "llama",
        FolderType = "llama",
        Classes = ["LlamaForCausalLM"],
        GgufOrder = RopeOrder.Interleaved,
        FromGguf = static (keys, config) => ExpertKeys.HasExperts(keys)
            ? config.WithBiases(keys).WithExperts(keys, RouterKind.OfChosen)
            : config.WithBiases(keys),
        FromFolder = static (fields, config) => config.WithBiases(fields),
    };
}
