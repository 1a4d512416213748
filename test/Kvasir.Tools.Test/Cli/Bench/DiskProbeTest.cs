namespace Kvasir.Tools.Test.Cli.Bench;

public sealed class DiskProbeTest : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    [Trait("Needs", "Minutes")]
    public void TheDiskOfAFolderIsMeasuredInSizesAndDepthsAndNothingIsLeftThere()
    {
        var run = CliRun.Of("bench", "--machine", "--kv-dir", _folder.Path, "--json", "-q");
        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        var disk = run.Json[0]["machine"]!["disk"]!;
        Assert.Equal((_folder.Path, 16L << 20), (disk["folder"]!.ToString(), disk["fileBytes"]!.GetValue<long>()));
        Assert.Equal(disk["isDirect"]!.GetValue<bool>(), disk["whyCached"] is null);
        var reads = disk["reads"]!.AsArray();
        Assert.Equal(
            [(128, 1), (1024, 1), (1024, 2), (2048, 2), .. from size in (int[])[4, 16, 64, 128] from depth in (int[])[1, 4, 8, 16, 32] select (size, depth)],
            reads.Select(static read => (read!["readBytes"]!.GetValue<int>() / 1024, read["depth"]!.GetValue<int>())));
        Assert.All(reads, static read => Assert.True(
            read!["readsPerSecond"]!.GetValue<double>() >= read["worstReadsPerSecond"]!.GetValue<double>() && read["worstReadsPerSecond"]!.GetValue<double>() > 0, $"{read}"));
        Assert.Empty(Directory.GetFiles(_folder.Path));
        // Plans read the same report.
        File.WriteAllText(_folder.File("here.json"), run.Output);
        var figures = Kvasir.Planning.MachineFigures.Read(_folder.File("here.json"));
        Assert.Equal(["Q4_0", "Q8_0", "Q4_K", "Q6_K", "BF16"], figures.Matrices.Select(static speed => speed.Type).Distinct());
        Assert.Contains(figures.Attention, static speed => speed is { Policy: "dense", Kv: "kivi4", Dim: 128, GroupHeads: 4 } and { RowShare: 1 });
        Assert.Contains(_folder.Path, figures.Store!.What, StringComparison.Ordinal);
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public void ATableSaysWhoseDiskItIsAndWhatAReadCosts()
    {
        var run = CliRun.Of("bench", "--machine", "--kv-dir", _folder.Path);
        Assert.Matches($@"\ndisk of {_folder.Path}, (past the page cache|by the page cache \(.+\)): 16\.0 MiB written at [\d.]+ GB/s, synced in [\d.,]+ ms\n", run.Output);
        Assert.Matches(@"\n  random +16\.0 KiB +8 ( +[\d.,]+){6}\n", run.Output);
    }

    [Fact]
    public void AFolderThatIsNotThereIsOneLine()
    {
        CliRun.Of("bench", "--machine", "-q", "--kv-dir", _folder.File("none")).AssertOneLine($"the disk of {_folder.File("none")} cannot be measured: ");
        Assert.Contains("--kv-dir without --machine takes what --kv-memory has no place for", CliRun.Of("bench", "stories260K", "--kv-dir", _folder.Path).Error, StringComparison.Ordinal);
    }
}
