using System.Text.Json.Nodes;

namespace Kvasir.Tools.Test.Cli.Run;

/// <summary><c>run --kv-dir</c>: a context that is longer than the KV memory.</summary>
public sealed class PagesOnDiskTest : IDisposable
{
    private static readonly string Prompt = string.Concat(Enumerable.Repeat("Tom and Lily went to the park with a ball. ", 20));
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    [Trait("Needs", "Minutes")]
    public void TheAnswerIsThatOfMemoryAndWhatWasReadIsSaid()
    {
        var (memory, disk) = (Json("--kv-memory", "16M"), Json("--kv-memory", "200K", "--kv-dir", _folder.Path, "--kv-disk", "16M"));
        Assert.Equal(memory["tokens"]!.ToJsonString(), disk["tokens"]!.ToJsonString());
        Assert.Null(memory["kvPages"]);
        var pages = disk["kvPages"]!;
        Assert.True(pages["misses"]!.GetValue<long>() > 100 && pages["readBytes"]!.GetValue<long>() > 400_000 && pages["hits"]!.GetValue<long>() > 100, pages.ToJsonString());
        Assert.All(pages["layerHitShares"]!.AsArray(), static share => Assert.InRange(share!.GetValue<double>(), 0, 1));
        Assert.Equal(5, pages["layerHitShares"]!.AsArray().Count);
        Assert.Equal(disk["tokens"]!.ToJsonString(), Json("--kv-memory", "200K", "--kv-dir", _folder.Path, "--kv-disk", "16M", "--kv-evict", "layer-lru", "--kv-ahead", "on")["tokens"]!.ToJsonString());
        Assert.Empty(Directory.EnumerateFileSystemEntries(_folder.Path));
        var error = Run("--kv-memory", "200K", "--kv-dir", _folder.Path, "--kv-disk", "16M").Error;
        Assert.Matches(@"KV bf16 2.5 KiB \+ index [\d.]+ B/token: 200.0 KiB and 16.0 MiB of disk hold [\d,]+ tokens", error);
        Assert.Matches(@"\n[\d.]+% of pages were in memory \(layer [0-4]: [\d.]+%\) \| read [\d.]+ [KM]iB from disk, wrote [\d.]+ [KM]iB, waited [\d.,]+ ", error);
        Assert.Contains("\nno keys and values left memory\n", Run("--kv-memory", "8M", "--kv-dir", _folder.Path, "--kv-disk", "16M").Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("alisa", "alisa:scoring=literal,ratio=0.1,min-context=0", "400K")]
    [InlineData("vllm", "dense", "2M")]
    public void SequencesWithARightToMemoryAnswerAsInMemory(string order, string policy, string memory)
    {
        string[] attention = ["--attention", policy];
        var expected = Json(["--kv-memory", "16M", .. attention])["tokens"]!.ToJsonString();
        Assert.Equal(expected, Json(["--kv-memory", memory, "--kv-dir", _folder.Path, "--kv-disk", "16M", "--kv-evict", order, .. attention])["tokens"]!.ToJsonString());
    }

    [Fact]
    public void WhatLeavesMemoryIsRoundedWhereThatIsWanted()
    {
        string[] disk = ["--kv-memory", "400K", "--kv-dir", _folder.Path, "--kv-disk", "16M", "--attention", "dense"];
        string[] floats = [.. disk, "--kv", "f32"];
        var (exact, rounded) = (Json(floats)["kvPages"]!, Json([.. floats, "--kv-disk-format", "q8"])["kvPages"]!);
        // Pages of 2 KiB take a block of 4 either way.
        Assert.True(rounded["misses"]!.GetValue<long>() > 100 && exact["misses"]!.GetValue<long>() > 100);
        CliRun.Of("run", "stories260K", "x", "-q", "--kv-disk-rate", "1M").AssertOneLine("--kv-disk-rate has no folder to lie in: --kv-dir names one");
        Run("-q", "--kv-disk-format", "q8").AssertOneLine("keys and values on file as q8 have no folder to lie in");
        Run([.. disk, "-q", "--kv-disk-format", "q8", "--kv", "int8"]).AssertOneLine("keys and values in int8 cannot lie on file as q8");
        Assert.Contains("--kv-disk-format", CliRun.Of("run", "stories260K", "x", "--kv-disk-format", "int4").Error, StringComparison.Ordinal);
    }

    [Fact]
    public void WhatCannotBeIsOneLine()
    {
        Run("-q", "--kv-disk", "1G").AssertOneLine("KV memory on disk of 1073741824 bytes has no folder to lie in");
        Run("-q", "--kv-dir", _folder.File("none")).AssertOneLine($"no file for keys and values can be made in {_folder.File("none")}");
        Run("-q", "--kv-dir", _folder.Path, "--kv-memory", "2M", "--kv-disk", "1M").AssertOneLine("less than the KV memory of 2097152");
        Run("-q", "--kv-dir", _folder.Path, "--kv-memory", "2M", "--kv-disk", "4M", "--attention", "guarded")
            .AssertOneLine("attention policy 'guarded' does not suit keys and values on file");
        Run("-q", "--kv-dir", _folder.Path, "--kv-memory", "9K", "--kv-disk", "4M").AssertOneLine("bytes of KV memory");
        Run("-q", "--kv-dir", _folder.Path, "--kv-memory", "200K", "--kv-disk", "4M", "--kv-evict", "vllm", "--attention", "dense").AssertOneLine("bytes of KV memory");
        Run("-q", "--kv-dir", _folder.Path, "--kv-memory", "2M", "--kv-disk", "4M", "--kv-evict", "alisa", "--attention", "alisa").AssertOneLine("alisa:scoring=literal");
        Assert.Contains("--kv-evict", CliRun.Of("run", "stories260K", "x", "--kv-evict", "oldest").Error, StringComparison.Ordinal);
    }

    [Fact]
    public void NobodyWhoNamesNoPolicyReadsAllOver()
    {
        var answer = CliRun.Of(
            "run", "stories260K", Prompt, "--temperature", "0", "--max-tokens", "2", "--context", "1024", "--kv-memory", "8M", "--kv-dir", _folder.Path, "--kv-disk", "16M");
        Assert.Equal(0, answer.ExitCode);
        Assert.Matches(@"attention auto: dense below [\d,]+ tokens, quest from there on", answer.Error);
    }

    private static JsonNode Json(params string[] more) => JsonNode.Parse(Run([.. more, "--json"]).Output)!;

    private static CliRun Run(params string[] more) => CliRun.Of(
    [
        "run", "stories260K", Prompt, "--temperature", "0", "--ignore-end", "--max-tokens", "20", "--context", "1024", "--threads", "1",
        .. more.Contains("--attention") ? [] : (string[])["--attention", "quest:share=0.2,page=8,recent=8,dense-layers=0,min-context=0"], .. more,
    ]);
}
