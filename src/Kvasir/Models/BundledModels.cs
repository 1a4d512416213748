namespace Kvasir.Models;

/// <summary>
/// Models that ship beside the program, in its folder models, and are known by name: GGUF files, and folders with a configuration and safetensors.
/// </summary>
public static class BundledModels
{
    private static string Folder => Path.Combine(AppContext.BaseDirectory, "models");

    /// <summary>In alphabetical order.</summary>
    public static IReadOnlyList<string> Names => NamesIn(Folder);

    /// <summary>The GGUF file or the folder of a bundled model. Upper and lower case are the same.</summary>
    public static bool TryFind(string name, out string path) => TryFindIn(Folder, name, out path);

    internal static IReadOnlyList<string> NamesIn(string folder) => [.. ModelFolder.Find(folder).Select(static model => model.Name)];

    internal static bool TryFindIn(string folder, string name, out string path)
    {
        path = ModelFolder.Find(folder).FirstOrDefault(model => model.Name.Equals(name, StringComparison.OrdinalIgnoreCase))?.Path ?? "";
        return path.Length > 0;
    }
}
