using System.Text.RegularExpressions;

namespace Kvasir.Models;

/// <summary>Models that lie in a folder: GGUF files, one that is split over several as one, and folders with a configuration beside their weights.</summary>
public static partial class ModelFolder
{
    private const string Extension = ".gguf";
    private const string Configuration = "config.json";

    /// <summary>
    /// In alphabetical order; a file and a folder may have one name, and both are found. Links that lead out of the folder are not. No folder has no models.
    /// </summary>
    public static IReadOnlyList<FoundModel> Find(string folder)
    {
        ArgumentNullException.ThrowIfNull(folder);
        if (!Directory.Exists(folder))
            return [];
        return [.. new DirectoryInfo(folder).GetFileSystemInfos()
            .Where(entry => StaysIn(folder, entry))
            .Select(Read)
            .OfType<FoundModel>()
            .OrderBy(static model => model.Name, StringComparer.Ordinal)
            .ThenBy(static model => model.Path, StringComparer.Ordinal)];
    }

    /// <summary>A model by what <see cref="Model.Load"/> takes: its name is that of its file or folder, whatever the way to it.</summary>
    /// <exception cref="KvasirException">There is none.</exception>
    public static FoundModel Named(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        var path = Locate(name);
        FileSystemInfo entry = Directory.Exists(path) ? new DirectoryInfo(Path.TrimEndingDirectorySeparator(Path.GetFullPath(path))) : new FileInfo(path);
        // What does not look like a model is opened all the same, and then refused with the reason.
        var found = Read(entry) ?? new FoundModel(
            entry.Extension == Extension ? Path.GetFileNameWithoutExtension(entry.Name) : entry.Name, path, entry is FileInfo file ? file.Length : 0);
        return found with { Path = path };
    }

    /// <summary>The GGUF file or the folder that a name means.</summary>
    internal static string Locate(string name)
    {
        // Whoever names a bundled model gets it: what lies in the working directory by that name has to be a model, or be meant by a path.
        var isBundled = BundledModels.TryFind(name, out var bundled) && !IsPath(name);
        if (Directory.Exists(name) && (!isBundled || IsModel(name)))
            return name;
        if (File.Exists(name) && (!isBundled || IsGguf(name)))
            return name.EndsWith(".safetensors", StringComparison.OrdinalIgnoreCase) ? Path.GetDirectoryName(Path.GetFullPath(name))! : name;
        if (isBundled)
            return bundled;
        throw new KvasirException(
            KvasirError.FileNotFound,
            $"{name} is neither a GGUF file, nor a folder with a model, nor a bundled model ({string.Join(", ", BundledModels.Names)})");
    }

    private static bool IsPath(string name) => name.AsSpan().ContainsAny(Path.DirectorySeparatorChar, Path.AltDirectorySeparatorChar);

    private static bool IsModel(string folder) =>
        File.Exists(Path.Combine(folder, Configuration)) || Directory.EnumerateFiles(folder, "*.safetensors").Any();

    private static bool IsGguf(string path)
    {
        using var file = File.OpenRead(path);
        var begin = new byte[4];
        return file.ReadAtLeast(begin, begin.Length, throwOnEndOfStream: false) == begin.Length && begin.AsSpan().SequenceEqual("GGUF"u8);
    }

    private static FoundModel? Read(FileSystemInfo entry) => entry switch
    {
        DirectoryInfo model when File.Exists(Path.Combine(model.FullName, Configuration)) =>
            new(model.Name, model.FullName, model.EnumerateFiles("*.safetensors").Sum(static file => file.Length)),
        FileInfo { Extension: Extension } file => OfFile(file),
        _ => null,
    };

    // The first part stands for all.
    private static FoundModel? OfFile(FileInfo file)
    {
        var name = Path.GetFileNameWithoutExtension(file.Name);
        if (Part().Match(name) is not { Success: true } part)
            return new FoundModel(name, file.FullName, file.Length);
        if (part.Groups[2].Value != "00001")
            return null;
        var others = file.Directory!.EnumerateFiles($"{part.Groups[1].Value}-*-of-{part.Groups[3].Value}{Extension}");
        return new FoundModel(part.Groups[1].Value, file.FullName, others.Sum(static other => other.Length));
    }

    private static bool StaysIn(string folder, FileSystemInfo entry)
    {
        if (entry.LinkTarget is null)
            return true;
        var target = Path.GetRelativePath(Path.GetFullPath(folder), entry.ResolveLinkTarget(returnFinalTarget: true)!.FullName);
        return target != ".." && !target.StartsWith($"..{Path.DirectorySeparatorChar}", StringComparison.Ordinal) && !Path.IsPathRooted(target);
    }

    [GeneratedRegex("^(.+)-([0-9]{5})-of-([0-9]{5})$")]
    private static partial Regex Part();
}
