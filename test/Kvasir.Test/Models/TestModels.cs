using System.Runtime.CompilerServices;
using Kvasir.Models;

namespace Kvasir.Test.Models;

/// <summary>Models that tests load from the repository.</summary>
internal static class TestModels
{
    public static string StoriesGguf { get; } = Path.Combine(Assets, "stories260K", "stories260K.gguf");

    public static string StoriesFolder { get; } = Path.Combine(Assets, "stories260K", "hf");

    private static string Assets => Path.GetFullPath(Path.Combine(SourceFolder(), "../../../assets"));

    public static Weights LoadGguf(string path, out ModelConfig config)
    {
        var file = Gguf.Open(path);
        config = ModelConfig.FromGguf(file);
        return Weights.Load(file, config);
    }

    public static Weights LoadFolder(string folder, out ModelConfig config)
    {
        config = ModelConfig.FromFolder(folder);
        return Weights.Load(Safetensors.Open(folder), config);
    }

    private static string SourceFolder([CallerFilePath] string path = "") => Path.GetDirectoryName(path)!;
}
