using System.Text.RegularExpressions;

namespace Kvasir.Tools.Test.Cli.Bench;

public sealed class BenchLayersTest
{
    private const string Policies = "dense,psa:block=8,dense-layers=0,sinks=8,recent=8,coverage=0.5,min-context=0";

    private static readonly string[] Case =
        ["bench", "--synthetic", "tiny", "--weights", "q8_0", "--kv", "f32", "--depth", "256", "--fill", "random", "--prefill", "0", "--batch", "2", "--repeat", "2", "--threads", "1", "--decode", "3", "--attention", Policies];

    [Fact]
    public void JsonHasWhatEachLayerRead()
    {
        var run = CliRun.Of([.. Case, "--json"]);
        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        var rows = run.Json[0]["results"]!.AsArray();
        Assert.Equal("""[{"keysReadShare":1},{"keysReadShare":1}]""", rows[0]!["perLayer"]!.ToJsonString());
        var layers = rows[1]!["perLayer"]!.AsArray();
        Assert.Equal("""{"keysReadShare":1}""", layers[0]!.ToJsonString());
        var (share, blocks) = (layers[1]!["keysReadShare"]!.GetValue<double>(), layers[1]!["blocksRead"]!.GetValue<double>());
        // Of 257 to 259 rows, in 32 blocks; zones take two of them, and at most two more.
        Assert.InRange(blocks, 1, 30);
        Assert.InRange(share - (blocks * 8 / 258), 16 / 260.0, 32 / 257.0);
        Assert.Equal((1 + share) / 2, rows[1]!["keysReadShare"]!.GetValue<double>(), 2e-4);
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public void TextHasItWhenAsked()
    {
        var asked = CliRun.Of([.. Case, "--layers"]);
        Assert.Equal((0, ""), (asked.ExitCode, asked.Error));
        Assert.EndsWith("\n\nlayers 0 to 1, depth 256, batch 2, dense\n  keys read, %: 100 100\n", Regex.Split(asked.Output, "(?<=100 100\n)")[0], StringComparison.Ordinal);
        Assert.Matches(@"\n\nlayers 0 to 1, depth 256, batch 2, psa:\S+\n  keys read, %: 100 [\d.]+\n  blocks read of a sequence by a KV head: 0 [\d.]+\n$", asked.Output);
        Assert.DoesNotContain("layers 0 to 1", CliRun.Of(Case).Output, StringComparison.Ordinal);
        Assert.Contains("--layers", CliRun.Of("bench", "--help").Output, StringComparison.Ordinal);
    }
}
