using System.Diagnostics;
using System.IO.Enumeration;
using System.Text.RegularExpressions;
using Kvasir.Cli;
using Kvasir.Cli.Shared;
using Kvasir.Tools.Test.Cli;

namespace Kvasir.Tools.Test.Documents;

/// <summary>What documents say is so: tables and lists are those of the code, commands are understood, samples compile and run, links lead somewhere.</summary>
public sealed class DocumentsTest
{
    private const string Begin = "<!-- verbs, made by DocumentsTest -->\n";
    private const string ModelsBegin = "<!-- models, made by DocumentsTest -->\n";
    private const string Rewriting = "KVASIR_REWRITE=1 ./test.sh --filter-class \"*DocumentsTest\"";
    private static readonly string Root = FindRoot();

    public static TheoryData<string> Documents =>
    [
        .. Directory.GetFiles(Root, "*.md").Concat(Directory.GetFiles(Path.Combine(Root, "docs"), "*.md"))
            .Select(static file => Path.GetRelativePath(Root, file)).Order(),
    ];

    private static Shell Silent => new(TextReader.Null, TextWriter.Null, TextWriter.Null);

    [Fact]
    public void TheTableOfVerbsIsThatOfTheirDefinitions()
    {
        var rows = Verbs.All(Silent).Select(static verb => $"| `{verb.Usage["kvasir ".Length..]}` | {verb.Summary} |\n");
        var table = $"| verb | what it does |\n|---|---|\n{string.Concat(rows)}";
        Hold("README.md", static text => Between(text, Begin, "<!-- end of verbs -->"), table);
    }

    [Fact]
    public void TheTableOfModelsIsThatOfTheirReaders() =>
        Hold("docs/models.md", static text => Between(text, ModelsBegin, "<!-- end of models -->"), ModelTable.Text(Root), ModelsBegin);

    [Theory]
    [InlineData("systems")]
    [InlineData("formats")]
    [InlineData("quality")]
    [InlineData("speed")]
    [InlineData("measurements")]
    public void TheTablesOfMethodsAreThoseOfTheCatalogueAndOfWhatWasMeasured(string part) =>
        Hold("docs/methods.md", text => Between(text, MethodsBegin(part), $"<!-- end of {part} -->"), MethodTables.Text(Root, part), MethodsBegin(part));

    [Fact]
    public void ThePictureOfMethodsIsThatOfWhatWasMeasured() => Hold("docs/pictures/methods.svg", static text => text, MethodTables.Picture(Root));

    [Fact]
    public void TheIndexOfTypesIsThatOfTheAssemblies() => Hold("docs/api.md", static text => text, ApiIndex.Text());

    [Fact]
    public void ThePublicApiIsAsWrittenDown() => Hold("docs/public-api.txt", static text => text, PublicApi.Text());

    [Fact]
    public void EveryFixtureIsInTheirReadme()
    {
        var folder = Path.Combine(Root, "test", "Kvasir.Test", "Fixtures");
        string[] files = [.. Directory.GetFiles(folder, "*", SearchOption.AllDirectories).Select(file => Path.GetRelativePath(folder, file)).Where(static file => file != "README.md")];
        string[] rows = [.. Regex.Matches(File.ReadAllText(Path.Combine(folder, "README.md")), @"^\| `([^`]+)`", RegexOptions.Multiline).Select(static match => match.Groups[1].Value)];
        Assert.All(files, file => Assert.Contains(rows, row => FileSystemName.MatchesSimpleExpression(row, file)));
        Assert.All(rows, row => Assert.Contains(files, file => FileSystemName.MatchesSimpleExpression(row, file)));
    }

    [Theory]
    [MemberData(nameof(Documents))]
    public void CommandsAreUnderstood(string document)
    {
        foreach (var command in Blocks(document, "").Concat(Blocks(document, "sh")).SelectMany(Commands))
            Assert.True(Verbs.Fault(Words(command), Silent) is null, $"{document}: {command}: {Verbs.Fault(Words(command), Silent)}");
    }

    [Fact]
    public void ExamplesOfHelpAreUnderstood()
    {
        foreach (var command in Verbs.All(Silent).SelectMany(static verb => verb.Examples).SelectMany(Commands))
            Assert.True(Verbs.Fault(Words(command), Silent) is null, $"{command}: {Verbs.Fault(Words(command), Silent)}");
        Assert.Equal("option '--no-such-flag' is unknown; see kvasir demo --help", Verbs.Fault(["demo", "--no-such-flag"], Silent));
    }

    [Theory]
    [MemberData(nameof(Documents))]
    public void CommandsOfShellBlocksRun(string document)
    {
        foreach (var command in Blocks(document, "sh").SelectMany(Commands))
        {
            var run = CliRun.Of(Words(command));
            Assert.True(run.ExitCode == 0 && run.Output.Length > 0, $"{document}: {command}: {run.ExitCode} {run.Error}");
        }
    }

    [Theory]
    [MemberData(nameof(Documents))]
    public void CodeIsOfSamplesThatCompile(string document)
    {
        var files = Directory.GetFiles(Path.Combine(Root, "samples"), "*.cs", SearchOption.AllDirectories);
        string[][] samples = Array.ConvertAll(files, static file => Lines(File.ReadAllText(file)));
        Assert.All(Blocks(document, "csharp"), block => Assert.Contains(samples, sample => Follows(Lines(block), sample)));
    }

    [Theory]
    [Trait("Needs", "Minutes")]
    [InlineData("Chat", "went to the park")]
    [InlineData("OwnPolicy", "of the keys hold")]
    [InlineData("TwoModels", "there was a little girl")]
    public async Task SamplesRun(string name, string output)
    {
        var program = Path.Combine(AppContext.BaseDirectory, $"{name}.dll");
        var start = new ProcessStartInfo("dotnet", [program]) { RedirectStandardOutput = true, RedirectStandardError = true };
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        var text = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.True(process.ExitCode == 0, await error);
        Assert.Contains(output, text, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Documents))]
    public void LinksAndPathsLeadSomewhere(string document)
    {
        var (text, folder) = (File.ReadAllText(Path.Combine(Root, document)), Path.GetDirectoryName(Path.Combine(Root, document))!);
        var links = Regex.Matches(text, @"\]\(([^)#:\s]+)(#[^)]*)?\)").Select(match => Path.Combine(folder, match.Groups[1].Value));
        var paths = Regex.Matches(text, @"`((?:src|test|samples|bench|tools|docs|assets)/[\w./-]+)`")
            .Select(static match => Path.Combine(Root, match.Groups[1].Value));
        Assert.All(links.Concat(paths), static path => Assert.True(Path.Exists(path), path));
    }

    private static string FindRoot()
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "Kvasir.slnx")))
            folder = Path.GetDirectoryName(folder)!;
        return folder;
    }

    // What a document has of the code; with KVASIR_REWRITE=1 the document is written anew instead.
    private static string MethodsBegin(string part) => $"<!-- {part}, made by DocumentsTest -->\n";

    private static void Hold(string document, Func<string, string> part, string expected, string begin = Begin)
    {
        var path = Path.Combine(Root, document);
        var text = File.Exists(path) ? File.ReadAllText(path) : "";
        var found = part(text);
        if (found == expected)
            return;
        if (Environment.GetEnvironmentVariable("KVASIR_REWRITE") == "1")
            File.WriteAllText(path, found.Length == text.Length ? expected : text.Replace($"{begin}{found}", $"{begin}{expected}", StringComparison.Ordinal));
        else
            Assert.Fail($"{document} is not what the code says; write it anew: {Rewriting}\n{Difference(found, expected)}");
    }

    private static string Difference(string found, string expected)
    {
        var (old, wanted) = (found.Split('\n'), expected.Split('\n'));
        var lines = old.Except(wanted).Take(5).Select(static line => $"- {line}").Concat(wanted.Except(old).Take(5).Select(static line => $"+ {line}"));
        return string.Join('\n', lines);
    }

    private static string Between(string text, string begin, string end)
    {
        var first = text.IndexOf(begin, StringComparison.Ordinal) + begin.Length;
        return text[first..text.IndexOf(end, first, StringComparison.Ordinal)];
    }

    private static IEnumerable<string> Blocks(string document, string language) =>
        Regex.Matches(File.ReadAllText(Path.Combine(Root, document)), @"^```(\w*)\n(.*?)^```$", RegexOptions.Multiline | RegexOptions.Singleline)
            .Where(match => match.Groups[1].Value == language).Select(static match => match.Groups[2].Value);

    // Lines of a block that begin with the tool or have it behind a pipe, up to the next pipe or redirection.
    private static IEnumerable<string> Commands(string block) =>
        from line in block.Replace("\\\n", " ", StringComparison.Ordinal).Split('\n')
        where !line.Contains("$(", StringComparison.Ordinal) && !line.Contains("<(", StringComparison.Ordinal)
        let match = Regex.Match(line, @"(?:^|\| )kvasir ((?:'[^']*'|""[^""]*""|[^|>'""])*)")
        where match.Success
        select match.Groups[1].Value;

    // A policy that was found and written down stands for itself.
    private static string[] Words(string command) =>
    [
        .. from word in Regex.Matches(command.Replace("@mine.policy", "guarded", StringComparison.Ordinal), @"'([^']*)'|""([^""]*)""|([^\s'""]+)")
        select word.Groups.Values.Skip(1).First(static part => part.Success).Value,
    ];

    private static string[] Lines(string code) => code.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);

    // Whether all lines are there in this order; others may lie between.
    private static bool Follows(string[] lines, string[] sample)
    {
        var at = -1;
        return Array.TrueForAll(lines, line => (at = Array.IndexOf(sample, line, at + 1)) >= 0);
    }
}
