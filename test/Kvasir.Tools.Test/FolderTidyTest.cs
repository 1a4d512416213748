using System.Text.RegularExpressions;
using static Kvasir.Tools.Test.Support.CompiledCode;

namespace Kvasir.Tools.Test;

/// <summary>Which folder of the engine may know which: each knows those that come before it, and nobody knows who uses it.</summary>
public sealed partial class FolderTidyTest
{
    private const int MostFiles = 25;

    // From the ground to the top. A new folder has its place here, above all that it knows.
    private static readonly string[] Order =
    [
        "Ground", "Files",
        "Jinja/Values", "Jinja/Builtins", "Jinja/Syntax", "Jinja",
        "Text/Words", "Text/Tokenizers", "Text",
        "Structure/Patterns", "Structure", "Structure/Schemas", "Calls",
        "Models/Configs", "Models/Readers", "Models/Families", "Synthetic", "Models/Streaming", "Models",
        "Cache/Slots", "Cache", "Tiers",
        "Attention", "Attention/Marks", "Attention/Observation", "Attention/Indexes", "Attention/Zones",
        "Attention/Dropping", "Attention/Policies", "Attention/Heads", "Attention/Audit", "Attention/Batches",
        "Forward", "Sampling", "Requests/Guessing", "Requests", "Requests/Scheduling",
        "", "Measurement", "Planning",
    ];

    // What is still owed, to be taken away with its cause: a link that is listed here and found nowhere fails as well.
    private static readonly string[] Owed = [];

    private static readonly string Root = Path.Combine(TidyTest.Root, "src", "Kvasir");

    private static readonly Dictionary<string, string> FolderOfType = (
        from file in Files(Root)
        from Match match in Declaration().Matches(File.ReadAllText(file))
        select (Type: match.Groups["name"].Value, Folder: FolderOf(file))).DistinctBy(static at => at.Type).ToDictionary(static at => at.Type, static at => at.Folder);

    [Fact]
    public void FoldersAreFoundAtAGlance() => Assert.Empty(
        from folder in Directory.EnumerateDirectories(Path.Combine(TidyTest.Root, "src"), "*", SearchOption.AllDirectories)
        let count = Directory.GetFiles(folder, "*.cs").Length
        where count > MostFiles && !folder.Split(Path.DirectorySeparatorChar).Any(static part => part is "bin" or "obj")
        select $"{folder}: {count} files, more than {MostFiles}");

    [Fact]
    public void NamesAreUnique() => Assert.Empty(
        from file in Files(Path.Combine(TidyTest.Root, "src"))
        from Match match in Declaration().Matches(File.ReadAllText(file))
        group Path.GetRelativePath(TidyTest.Root, file) by match.Groups["name"].Value into files
        where files.Key != "Program" && files.Distinct().Count() > 1
        select $"{files.Key}: {string.Join(", ", files)}");

    [Fact]
    public void EveryFolderHasItsPlace() => Assert.Equal(Order.Order(StringComparer.Ordinal), Files(Root).Select(FolderOf).Distinct().Order(StringComparer.Ordinal));

    [Fact]
    public void CodeKnowsOnlyWhatIsBelowIt()
    {
        var links = (
            from type in typeof(Engine).Assembly.GetTypes()
            let outer = Outermost(type)
            where FolderOfType.ContainsKey(NameOf(outer))
            from known in Known(type).SelectMany(Parts).Select(Outermost).Where(static known => known.Assembly == typeof(Engine).Assembly).Distinct()
            where known != outer && FolderOfType.ContainsKey(NameOf(known))
            let link = (From: FolderOfType[NameOf(outer)], To: FolderOfType[NameOf(known)])
            where Array.IndexOf(Order, link.To) > Array.IndexOf(Order, link.From)
            select $"{link.From}: {NameOf(outer)} knows {NameOf(known)} of {link.To}").Distinct().Order(StringComparer.Ordinal);
        Assert.Equal(Owed, links);
    }

    // Constants and the links of docstrings leave nothing in an assembly.
    [Fact]
    public void UsingsNameOnlyWhatIsBelow() => Assert.Empty(
        from file in Files(Root)
        from line in File.ReadLines(file)
        let match = Regex.Match(line, @"^using Kvasir\.([\w.]+);")
        where match.Success
        let named = match.Groups[1].Value.Replace('.', '/')
        where Order.Contains(named) && Array.IndexOf(Order, named) > Array.IndexOf(Order, FolderOf(file))
        select $"{Path.GetRelativePath(Root, file)}: {line}");

    private static IEnumerable<string> Files(string root) =>
        Directory.EnumerateFiles(root, "*.cs", SearchOption.AllDirectories).Where(static file => !file.Split(Path.DirectorySeparatorChar).Any(static part => part is "bin" or "obj"));

    private static string FolderOf(string file) => Path.GetDirectoryName(Path.GetRelativePath(Root, file))!.Replace(Path.DirectorySeparatorChar, '/');

    [GeneratedRegex(@"^(public|internal) ([\w ]+ )?(class|struct|record|interface|enum|delegate [\w<>\[\]?.]+) (?<name>\w+)", RegexOptions.Multiline)]
    private static partial Regex Declaration();
}
