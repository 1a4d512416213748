using Kvasir.Files;
using Kvasir.Models;
using Kvasir.Models.Configs;
using Kvasir.Models.Families;

namespace Kvasir.Test.Support;

/// <summary>Models that tests load from the repository.</summary>
internal static class TestModels
{
    public static string StoriesGguf => Path.Combine(Assets, "stories260K", "stories260K.gguf");

    public static string StoriesFolder => Path.Combine(Assets, "stories260K", "hf");

    public static string NeedleFolder => Path.Combine(Assets, "needle");

    /// <summary>The same with queries and keys that were taught to be signs.</summary>
    public static string DistilledFolder => Path.Combine(Assets, "needle-had");

    private static string Assets
    {
        get
        {
            var folder = new DirectoryInfo(AppContext.BaseDirectory);
            while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Kvasir.slnx")))
                folder = folder.Parent;
            return Path.Combine(folder?.FullName ?? throw new DirectoryNotFoundException("the tests run outside the repository"), "assets");
        }
    }

    // Rows are looked at one by one, and must lie as they are stored.
    public static ModelOptions AsStored { get; } = new() { Repack = false };

    /// <summary>The caller disposes the weights, which own the file.</summary>
    public static Weights LoadGguf(string path, out ModelConfig config)
    {
        var file = Gguf.Open(path);
        try
        {
            config = ModelFamilies.Read(file);
            return Weights.Load(file, config, AsStored);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>The caller disposes the weights, which own the files.</summary>
    public static Weights LoadFolder(string folder, out ModelConfig config)
    {
        config = ModelFamilies.Read(folder);
        var files = Safetensors.Open(folder);
        try
        {
            return Weights.Load(files, config, AsStored);
        }
        catch
        {
            files.Dispose();
            throw;
        }
    }
}
