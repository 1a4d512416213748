using Kvasir.Files;
using Kvasir.Models.Configs;
using Kvasir.Models.Readers;

namespace Kvasir.Models.Families;

/// <summary>Every family of models that is supported, and the way from a file to its <see cref="ModelConfig"/>.</summary>
public static class ModelFamilies
{
    /// <summary>Readers, their messages and tests walk this list.</summary>
    internal static readonly ModelFamily[] All =
    [
        Llama.Family, Mistral.First, Mistral.Mixtral, Mistral.Third, Qwen.Second, Qwen.Third, Qwen.ThirdMoe, Granite.Family, Granite.Dense, Granite.Moe,
        Granite.SharedMoe, Gemma.Second, Gemma.Third, Gemma4.Family, Gemma4.Unified, Phi.Third, SmolLm.Third,
        Olmo.Second, Olmo.Third, Olmo.Moe, Glm.Fourth, Glm.Chat, Glm.ChatGlm, Cohere.First, Cohere.Second, SeedOss.Family, Exaone.Third, Exaone.Fourth,
        GptOss.Family, Ernie.Dense, Hunyuan.Dense, Granite.MiniCpm, NeoX.Family, Opt.Family,
        Falcon.Family, Falcon.FirstSmall, Falcon.FirstLarge,
    ];

    private const string ArchitectureKey = "general.architecture";
    private const string TypeKey = "model_type";

    /// <exception cref="KvasirException">A key is missing or out of range, or the model is of a kind that is not supported.</exception>
    public static ModelConfig Read(Gguf file)
    {
        ArgumentNullException.ThrowIfNull(file);
        var fields = file.Metadata;
        var architecture = fields.String(ArchitectureKey) ?? throw fields.Missing(ArchitectureKey);
        var family = Array.Find(All, family => family.Gguf == architecture) ?? throw new KvasirException(
            KvasirError.Unsupported,
            $"{file.Path}: the architecture {MessageText.Name(architecture)} is not supported{UnsupportedFamilies.Because(architecture)}; "
                + $"supported in GGUF are {UnsupportedFamilies.Nearest(architecture, All.Select(static family => family.Gguf))}");
        return GgufModelConfig.Read(new GgufKeys(file, architecture), family).RequireSound(file.Path);
    }

    /// <param name="folder">A Hugging Face style folder with a config.json.</param>
    /// <param name="notes">Takes a line for each piece of advice that cannot be followed; null for nobody.</param>
    /// <exception cref="KvasirException">A key is missing or out of range, or the model is of a kind that is not supported.</exception>
    public static ModelConfig Read(string folder, Notes? notes = null)
    {
        var path = Path.Combine(folder, "config.json");
        var fields = TextOf(JsonFields.Read(path, notes ?? new Notes()));
        var type = fields.String(TypeKey) ?? throw fields.Missing(TypeKey);
        var family = Array.Find(All, family => family.FolderType == type) ?? throw fields.Unsupported(
            TypeKey,
            $"is {MessageText.Name(type)}, which is not supported{UnsupportedFamilies.Because(type)}; "
                + $"supported in folders are {UnsupportedFamilies.Nearest(type, All.Select(static family => family.FolderType))}");
        return JsonModelConfig.Read(fields, family, path).RequireSound(path);
    }

    // A model that sees pictures has the one that reads text inside. What is said of its weights as a whole holds for both.
    private static JsonFields TextOf(JsonFields whole)
    {
        if (whole.Object("text_config") is not { IsEmpty: false } text)
            return whole;
        JsonModelConfig.RefuseQuantization(whole, supported: null);
        whole.Notes.Add(whole.Bad("text_config", "is read alone: text is answered, and pictures are not seen").Message);
        return text;
    }

    /// <summary>How GGUF files of an architecture spell their tensors.</summary>
    internal static TensorNames GgufNames(string architecture) => Array.Find(All, family => family.Gguf == architecture)?.GgufNames ?? TensorNames.Gguf;

    /// <summary>How folders of a model_type spell their tensors.</summary>
    internal static TensorNames FolderNames(string type) => Array.Find(All, family => family.FolderType == type)?.FolderNames ?? TensorNames.HuggingFace;
}
