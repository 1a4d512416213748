namespace Kvasir.Models;

/// <summary>Models that ship beside the program, in its folder models, and are known by name.</summary>
public static class BundledModels
{
    private const string Extension = ".gguf";

    private static string Folder => Path.Combine(AppContext.BaseDirectory, "models");

    /// <summary>In alphabetical order.</summary>
    public static IReadOnlyList<string> Names
    {
        get
        {
            if (!Directory.Exists(Folder))
                return [];
            var names = Array.ConvertAll(Directory.GetFiles(Folder, "*" + Extension), static path => Path.GetFileNameWithoutExtension(path));
            Array.Sort(names, StringComparer.Ordinal);
            return names;
        }
    }

    /// <summary>The GGUF file of a bundled model. Upper and lower case are the same.</summary>
    public static bool TryFind(string name, out string path)
    {
        path = "";
        foreach (var known in Names)
        {
            if (known.Equals(name, StringComparison.OrdinalIgnoreCase))
                path = Path.Combine(Folder, known + Extension);
        }

        return path.Length > 0;
    }
}
