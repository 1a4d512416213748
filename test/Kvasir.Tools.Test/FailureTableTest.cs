using System.Text.RegularExpressions;

namespace Kvasir.Tools.Test;

/// <summary>Every row of docs/failures.md names tests that show it, and these are there.</summary>
public sealed partial class FailureTableTest
{
    [Fact]
    public void EveryRowHasATestThatIsThere()
    {
        var tests = Directory.EnumerateFiles(Path.Combine(TidyTest.Root, "test"), "*Test.cs", SearchOption.AllDirectories)
            .Where(static file => !file.Split(Path.DirectorySeparatorChar).Any(static part => part is "bin" or "obj"))
            .ToLookup(static file => Path.GetFileNameWithoutExtension(file), File.ReadAllText);
        var rows = File.ReadLines(Path.Combine(TidyTest.Root, "docs", "failures.md"))
            .Where(static line => line.StartsWith("| ", StringComparison.Ordinal) && !line.StartsWith("| what fails", StringComparison.Ordinal)).ToArray();
        Assert.InRange(rows.Length, 25, 200);
        Assert.DoesNotContain(rows, static row => Named().Count(row) == 0);
        Assert.Empty(
            from row in rows
            from Match named in Named().Matches(row)
            where !tests[named.Groups["class"].Value].Any(text => text.Contains($" {named.Groups["method"].Value}(", StringComparison.Ordinal))
            select named.Value);
    }

    [GeneratedRegex(@"`(?<class>\w+Test)\.(?<method>\w+)`")]
    private static partial Regex Named();
}
