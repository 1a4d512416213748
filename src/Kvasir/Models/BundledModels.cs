namespace Kvasir.Models;

/// <summary>
/// Models that ship beside the program, in its folder models, and are known by name: GGUF files, and folders with a configuration and safetensors.
/// </summary>
public static class BundledModels
{
    private const string Extension = ".gguf";
    private const string Configuration = "config.json";

    private static string Folder => Path.Combine(AppContext.BaseDirectory, "models");

    /// <summary>In alphabetical order.</summary>
    public static IReadOnlyList<string> Names => NamesIn(Folder);

    /// <summary>The GGUF file or the folder of a bundled model. Upper and lower case are the same.</summary>
    public static bool TryFind(string name, out string path) => TryFindIn(Folder, name, out path);

    internal static IReadOnlyList<string> NamesIn(string folder) =>
        [.. Paths(folder).Select(static path => NameOf(path)).Distinct().Order(StringComparer.Ordinal)];

    internal static bool TryFindIn(string folder, string name, out string path)
    {
        path = Paths(folder).FirstOrDefault(path => NameOf(path).Equals(name, StringComparison.OrdinalIgnoreCase), "");
        return path.Length > 0;
    }

    private static IEnumerable<string> Paths(string folder) => !Directory.Exists(folder) ? [] :
    [
        .. Directory.GetFiles(folder, "*" + Extension),
        .. Directory.GetDirectories(folder).Where(static model => File.Exists(Path.Combine(model, Configuration))),
    ];

    private static string NameOf(string path) =>
        path.EndsWith(Extension, StringComparison.OrdinalIgnoreCase) ? Path.GetFileNameWithoutExtension(path) : Path.GetFileName(path);
}
