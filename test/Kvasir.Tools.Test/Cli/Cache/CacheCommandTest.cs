using System.Diagnostics;
using Kvasir.Tiers;

namespace Kvasir.Tools.Test.Cli.Cache;

/// <summary><c>kvasir cache</c>, and the flags that fill it.</summary>
public sealed class CacheCommandTest : IDisposable
{
    private static readonly string Prompt = string.Concat(Enumerable.Repeat("Tom and Lily went to the park with a ball. ", 60));
    private readonly TempFolder _temp = new();
    private readonly string _folder;

    public CacheCommandTest() => _folder = _temp.File("store");

    public void Dispose() => _temp.Dispose();

    [Fact]
    [Trait("Needs", "Minutes")]
    public void TheNextRunFindsWhatTheFirstHasKeptAndCacheListsAndClearsIt()
    {
        var (first, second) = (Run("--json"), Run("--json"));
        Assert.Equal(0, first.ExitCode);
        var (cold, warm) = (first.Json[0]!, second.Json[0]!);
        Assert.Equal(cold["text"]!.ToString(), warm["text"]!.ToString());
        Assert.Null(cold["usage"]!["storedTokens"]);
        var (prompt, stored) = (warm["usage"]!["promptTokens"]!.GetValue<int>(), warm["usage"]!["storedTokens"]!.GetValue<int>());
        Assert.Equal((prompt - 1) / 32 * 32, stored);
        Assert.Matches(@"of prompt were there from an earlier turn, [\d,]+ of them on disk\n", Run().Error);

        var listed = CliRun.Of("cache", "list", _folder, "--json").Json[0]!;
        var prefixes = Assert.Single(listed["prefixes"]!.AsArray())!;
        Assert.EndsWith(" bf16", prefixes["origin"]!.ToString(), StringComparison.Ordinal);
        Assert.InRange(prefixes["tokens"]!.GetValue<int>(), stored, prompt + 9);
        Assert.Equal(listed["bytes"]!.GetValue<long>(), Directory.GetFiles(_folder, "*.seg", SearchOption.AllDirectories).Sum(static file => new FileInfo(file).Length));
        var text = CliRun.Of("cache", _folder);
        Assert.Equal((0, text.Output), (text.ExitCode, CliRun.Of("cache", "list", _folder).Output));
        Assert.Matches(@"model and format +tokens +size +chains +last used\n.*bf16", text.Output);

        Assert.Matches(@"^\d+ whole, 0 damaged\n$", CliRun.Of("cache", "verify", _folder).Output);
        Damage();
        var verified = CliRun.Of("cache", "verify", _folder, "--json");
        Assert.Equal((1, 1), (verified.ExitCode, verified.Json[0]!["damaged"]!.GetValue<int>() > 0 ? 1 : 0));
        Assert.Equal(cold["text"]!.ToString(), Run("--json").Json[0]!["text"]!.ToString());

        Assert.StartsWith("deleted ", CliRun.Of("cache", "clear", _folder).Output, StringComparison.Ordinal);
        Assert.Empty(CliRun.Of("cache", "list", _folder, "--json").Json[0]!["prefixes"]!.AsArray());
        Assert.Null(Run("--json").Json[0]!["usage"]!["storedTokens"]);
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public void AFileThatWasSavedIsListedVerifiedAndDeletedToo()
    {
        var file = _temp.File("story.kv");
        CliRun.Of("run", "stories260K", Prompt, "-q", "--temperature", "0", "--max-tokens", "3", "--context", "2048", "--save-kv", file);
        var listed = CliRun.Of("cache", "list", file, "--json").Json[0]!["file"]!;
        Assert.Equal(("bf16", "dense"), (listed["format"]!.ToString(), listed["attention"]!.ToString()));
        Assert.InRange(listed["rowTokens"]!.GetValue<int>(), 512, listed["tokens"]!.GetValue<int>());
        Assert.Matches(@"format +bf16\n", CliRun.Of("cache", "list", file).Output);
        Assert.Equal("1 whole, 0 damaged\n", CliRun.Of("cache", "verify", file).Output);
        var bytes = File.ReadAllBytes(file);
        bytes[^9000] ^= 1;
        File.WriteAllBytes(file, bytes);
        Assert.Equal(1, CliRun.Of("cache", "verify", file, "--json").Json[0]!["damaged"]!.GetValue<int>());
        Assert.Equal(0, CliRun.Of("cache", "clear", file).ExitCode);
        Assert.False(File.Exists(file));
        // What is none of Kvasir's stays.
        var other = _temp.Write("letter.txt", "Dear Tom");
        CliRun.Of("cache", "clear", other).AssertOneLine("is no file of saved keys and values");
        Assert.True(File.Exists(other));
        CliRun.Of("cache", "clear", _temp.Path).AssertOneLine("no keys and values were kept in");
        CliRun.Of("cache", "list", _temp.File("none")).AssertOneLine("there is neither a file nor a folder");
    }

    [Fact]
    public void AFolderThatBelongsToAnotherIsReadAndNotCleared()
    {
        Run();
        using (DiskPrefixStore.Open(_folder))
        {
            CliRun.Of("cache", "clear", _folder).AssertOneLine($"cannot be cleared: '{_folder}' belongs to process {Environment.ProcessId}");
            Assert.Single(CliRun.Of("cache", "list", _folder, "--json").Json[0]!["prefixes"]!.AsArray());
            Assert.Contains("note: prompts are found in disk, and none are kept there:", Run().Error, StringComparison.Ordinal);
            Assert.NotNull(Run("--json").Json[0]!["usage"]!["storedTokens"]);
        }
    }

    [Fact]
    public void AFolderForOneLongContextIsLeftAsItWas()
    {
        Directory.CreateDirectory(_folder);
        var run = CliRun.Of("run", "stories260K", Prompt, "--temperature", "0", "--max-tokens", "3", "--context", "2048", "--kv-memory", "2M", "--kv-dir", _folder, "--kv-disk", "16M");
        Assert.Equal((0, 0), (run.ExitCode, Directory.GetFileSystemEntries(_folder).Length));
        var kept = CliRun.Of("run", "stories260K", Prompt, "--temperature", "0", "--max-tokens", "3", "--context", "2048", "--kv-memory", "2M", "--kv-dir", _folder, "--kv-disk", "16M", "--kv-prefixes", "64M");
        Assert.Equal((0, true), (kept.ExitCode, DiskPrefixStore.IsIn(_folder)));
        CliRun.Of("run", "stories260K", "x", "-q", "--kv-prefixes", "1G").AssertOneLine("--kv-prefixes has no folder to lie in: --kv-dir names one");
        CliRun.Of("run", "stories260K", "x", "-q", "--kv-dir", _folder, "--kv-prefixes", "9K").AssertOneLine("a store of 9216 bytes is less than 1048576");
    }

    // To the process: no file may have more than so many blocks of 512 bytes.
    [Fact]
    [Trait("Needs", "Minutes")]
    public async Task ADiskThatIsFullCostsNoAnswerAndLeavesWhatWasThere()
    {
        if (!OperatingSystem.IsLinux())
            return;
        Run();
        var before = CliRun.Of("cache", "verify", _folder).Output;
        var start = new ProcessStartInfo("/bin/sh") { RedirectStandardOutput = true };
        // Code that is mapped twice lies in a file, which the limit is for as well.
        start.Environment["DOTNET_EnableWriteXorExecute"] = "0";
        start.ArgumentList.Add("-c");
        start.ArgumentList.Add(
            $"ulimit -c 0; ulimit -f 300; exec dotnet '{typeof(Kvasir.Cli.Program).Assembly.Location}' run stories260K 'Once {Prompt}' --temperature 0 "
            + $"--max-tokens 9 --context 2048 --attention dense -q --kv-dir '{_folder}' --kv-disk 0");
        using var process = Process.Start(start)!;
        var output = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(0, process.ExitCode);
        Assert.True(output.Length > 9, output);
        Assert.Equal(before, CliRun.Of("cache", "verify", _folder).Output);
    }

    private CliRun Run(params string[] more) => CliRun.Of(
        ["run", "stories260K", Prompt, "--temperature", "0", "--max-tokens", "9", "--context", "2048", "--attention", "dense", "--kv-dir", _folder, "--kv-disk", "0", .. more]);

    private void Damage()
    {
        var segment = Directory.GetFiles(_folder, "*.seg", SearchOption.AllDirectories).Single();
        var bytes = File.ReadAllBytes(segment);
        bytes[4096 + 4096 + 99] ^= 1;
        File.WriteAllBytes(segment, bytes);
    }
}
