namespace Kvasir.Tools.Test.Cli.Bench;

/// <summary><c>bench --kv-evict</c>: orders of pages side by side, over queries that are alike from step to step.</summary>
public sealed class BenchOrdersTest : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    [Trait("Needs", "Minutes")]
    public void EachOrderHasItsRowWithWhatItFoundInMemory()
    {
        var run = CliRun.Of(
            "bench", "--synthetic", "tiny", "--depth", "1024", "--context", "2048", "--fill", "random", "--prefill", "0", "--decode", "6", "--repeat", "1", "--threads", "1", "--reuse", "0.8",
            "--kv-memory", "400K", "--kv", "q8", "--kv-dir", _folder.Path, "--kv-disk", "16M", "--kv-evict", "zero-inference,counted", "--attention", "psa:most=0.3,min-context=0",
            "--json", "-q");
        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        var rows = run.Json[0]["results"]!.AsArray();
        Assert.Equal(["counted", "zero-inference"], rows.Select(static row => row!["kvEvict"]!.GetValue<string>()));
        var (counted, none) = (rows[0]!["kvPages"]!, rows[1]!["kvPages"]!);
        Assert.True(Share(counted) > Share(none) + 0.2, $"{counted}, {none}");
        Assert.True(counted["usedAgain"]!.GetValue<long>() > 0 && rows[0]!["reuse"]!.GetValue<double>() == 0.8, run.Output);
        Assert.True(rows[0]!["perLayer"]![0]!["cutShare"]!.GetValue<double>() > 0, run.Output);

        static double Share(System.Text.Json.Nodes.JsonNode pages) =>
            pages["hits"]!.GetValue<double>() / (pages["hits"]!.GetValue<double>() + pages["misses"]!.GetValue<double>());
    }

    [Fact]
    public void WhatDoesNotGoTogetherIsOneLine()
    {
        Assert.Contains("--foresight is how near queries of --reuse are foretold", CliRun.Of("bench", "--synthetic", "tiny", "--foresight", "0.5").Error, StringComparison.Ordinal);
        Assert.Contains("--reuse", CliRun.Of("bench", "--synthetic", "tiny", "--reuse", "1.5").Error, StringComparison.Ordinal);
    }
}
