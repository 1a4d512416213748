using Kvasir.Cli.Bench;

namespace Kvasir.Tools.Test.Cli.Bench;

public sealed class BenchTableTest
{
    private static readonly BenchRow Row = new()
    {
        Model = "llama3.2-1b:1",
        Weights = "q4_0",
        Kv = "q8",
        Threads = 2,
        Batch = 1,
        Depth = 32768,
        Attention = "dense",
        Fill = "random",
        Layers = 1,
        Repeat = 5,
        PrefillTokens = 512,
        PrefillTokensPerSecond = 251.7,
        DecodeTokensPerSecond = 24.04,
        LinearMsPerStep = 8.126,
        AttentionMsPerLayer = 0.51234,
        SelectionMsPerLayer = 0,
        KeysReadShare = 1,
        BytesPerStep = 249_000_000,
        FloorShare = 0.784,
        PeakBytes = 1 << 30,
        WeightBytes = 250_000_000,
        PackedBytes = 0,
    };

    private static readonly MachineReport Machine = new(
        "A Processor", 2, 4, 16L << 30, "an OS", ".NET 10", "0.1.0", ["AVX2", "FMA"], null,
        [new BandwidthReport(1, 13.26e9, 14e9), new BandwidthReport(2, 22e9, 25e9)],
        [new MultiplyAddReport(1) { F32OperationsPerSecond = 179e9, F32Form = "512-bit" }, new MultiplyAddReport(2) { F32OperationsPerSecond = 358e9, F32Form = "512-bit", Int8OperationsPerSecond = 1e12, Int8Form = "VPDPBUSD" }]);

    private static readonly BenchReport Report = new(Machine, true, [Row, Row with { Batch = 4, PrefillTokens = null, PrefillTokensPerSecond = null }]);

    [Fact]
    public void TextHasAlignedColumnsAndSaysWhatWasLeftOut()
    {
        var text = Written(BenchTable.WriteText);
        Assert.Contains("llama3.2-1b:1 (one layer only), weights q4_0, KV q8, 2 threads, median of 5, interrupted: not all cases\n", text, StringComparison.Ordinal);
        Assert.Contains("\nThe cache was filled with random keys and values, not computed.\n", text, StringComparison.Ordinal);
        var lines = text.Split('\n');
        var table = Array.FindIndex(lines, static line => line.Contains("decode tok/s", StringComparison.Ordinal));
        Assert.Matches("^ +32,768 +1 +dense +512 +252 +24.0 +8.13 +0.512 +- +100.0% +237.5 MiB +78% +1.0 GiB$", lines[table + 1]);
        Assert.Matches("^ +32,768 +4 +dense +- +- +24.0 +8.13 +0.512 +- +100.0% +237.5 MiB +78% +1.0 GiB$", lines[table + 2]);
        Assert.Equal(lines[table].IndexOf("tok/s", StringComparison.Ordinal) + 5, lines[table + 1].IndexOf("252", StringComparison.Ordinal) + 3);
        Assert.Matches(@"
 +1 +13\.3 +14\.0 +179 +- +-  f32 512-bit
", text);
    }

    [Fact]
    public void WhatIsUnusedOfTheProcessorIsALineAndOtherwiseThereIsNone()
    {
        Assert.DoesNotContain("unused", Written(BenchTable.WriteText), StringComparison.Ordinal);
        var narrow = Report with { Machine = Machine with { UnusedInstructionSets = ["AVX2", "FMA"] } };
        Assert.Contains("\n  unused    AVX2, FMA: the processor has them, ", Written(BenchTable.WriteText, narrow), StringComparison.Ordinal);
    }

    [Fact]
    public void MarkdownHasTheSameTable()
    {
        var text = Written(BenchTable.WriteMarkdown);
        Assert.Contains("- machine: A Processor\n- cores: 2 (4 threads), AVX2, FMA\n", text, StringComparison.Ordinal);
        Assert.Contains("| 32,768 | 1 | dense | 512 | 252 | 24.0 | 8.13 | 0.512 | - | 100.0% | 237.5 MiB | 78% | 1.0 GiB |\n", text, StringComparison.Ordinal);
        Assert.Contains("| 2 | 22.0 | 25.0 | 358 | - | 1000 | f32 512-bit, int8 VPDPBUSD |\n", text, StringComparison.Ordinal);
    }

    [Fact]
    public void TheMedianStandsBetweenTheExtremes()
    {
        Assert.Equal(new MeasuredSpread(1, 3, 9), MeasuredSpread.Of([9, 3, 1]));
        Assert.Equal(new MeasuredSpread(1, 2.5, 9), MeasuredSpread.Of([9, 3, 1, 2]));
        Assert.Equal(new MeasuredSpread(7, 7, 7), MeasuredSpread.Of([7]));
    }

    private static string Written(Action<BenchReport, TextWriter> write, BenchReport? report = null)
    {
        var output = new StringWriter { NewLine = "\n" };
        write(report ?? Report, output);
        return output.ToString();
    }
}
