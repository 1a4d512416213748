using Kvasir.Files;
using Kvasir.Models.Configs;
using Kvasir.Models.Readers;

namespace Kvasir.Models.Families;

/// <summary>Hunyuan without experts: heads are normalised once they are rotated.</summary>
internal static class Hunyuan
{
    public static readonly ModelFamily Dense = new()
    {
        Models = "Hunyuan dense: 0.5B to 7B",
        Differs = "norms of heads behind rotation, a base that is stretched once for all",
        Gguf = "hunyuan-dense",
        FolderType = "hunyuan_v1_dense",
        Classes = ["HunYuanDenseV1ForCausalLM"],
        FromGguf = static (keys, config) => With(config),
        FromFolder = static (fields, config) =>
        {
            fields.RequireTrue("use_qk_norm");
            return With(config).WithBiases(fields);
        },
        FolderNames = TensorNames.HuggingFace with { QueryNorm = "self_attn.query_layernorm.weight", KeyNorm = "self_attn.key_layernorm.weight" },
    };

    private static ModelConfig With(ModelConfig config) => config.WithLayers(static layer => layer with { QkNorm = QkNorm.RotatedHeads });
}
