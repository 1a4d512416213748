using System.Text.Json.Nodes;
using Kvasir.Attention.Policies;
using Kvasir.Cli.Shared;
using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Tools.Test.Cli.Bench;

public sealed class BenchCommandTest
{
    private const string AllShapes = "llama3.2-1b, llama3.2-3b, llama3.1-8b, qwen3-4b, qwen3-30b-a3b, granite-3-2b, phi-4-mini, gemma-3-4b, gemma-4-26b-a4b, tiny";

    private static readonly string[] Promised =
    [
        "model", "weights", "threads", "batch", "depth", "attention", "prefillTokensPerSecond", "decodeTokensPerSecond", "linearMsPerStep", "attentionMsPerLayer",
        "selectionMsPerLayer", "keysReadShare", "bytesPerStep", "floorShare", "peakBytes", "kv", "fill", "repeat", "prefillTokens",
    ];

    [Fact]
    public void JsonHasTheMachineAndARowForEachCase()
    {
        var run = CliRun.Of(
            "bench", "--synthetic", "tiny", "--weights", "q8_0", "--kv", "q8", "--depth", "64,0", "--fill", "random", "--prefill", "16,8", "--batch", "3,1", "--repeat", "2", "--threads", "1", "--decode", "4", "--json");
        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        var json = Assert.Single(run.Json);
        Assert.All(new[] { "cpu", "physicalCores", "threads", "memoryBytes", "os", "dotnet", "kvasir", "instructionSets", "bandwidth" }, name => Assert.NotNull(json["machine"]![name]));
        var rows = json["results"]!.AsArray().Select(static row => row!.AsObject()).ToArray();
        Assert.All(rows, static row => Assert.All(Promised, name => Assert.True(row.ContainsKey(name), name)));
        // One sequence that decodes shares the row of the first prefill.
        Assert.Equal(
            ["0 1 8 True", "0 1 16 False", "0 3 - True", "64 1 8 True", "64 1 16 False", "64 3 - True"],
            rows.Select(static row => $"{row["depth"]} {row["batch"]} {row["prefillTokens"]?.ToString() ?? "-"} {row["decodeTokensPerSecond"] is not null}"));
        Assert.Equal(["none", "none", "none", "random", "random", "random"], rows.Select(static row => row["fill"]!.ToString()));
        Assert.All(rows, static row => Assert.Equal("tiny q8_0 q8 1 dense 2", $"{row["model"]} {row["weights"]} {row["kv"]} {row["threads"]} {row["attention"]} {row["repeat"]}"));
        AssertFigures(rows[5]);
        // Two layers of two KV heads; a Q8_0 row of the embedding.
        var sequenceBytes = (65L * 2 * 2 * 2 * RowCodec.Q8.RowBytes(64)) + 272;
        Assert.Equal(Bytes(rows[3]) + (2 * sequenceBytes), Bytes(rows[5]));
    }

    [Theory]
    [InlineData("keys=q8,values=bf16", "--kv-keys", "q8")]
    [InlineData("keys=f32,values=q8", "--kv", "f32", "--kv-values", "q8")]
    [InlineData("int8-channel", "--kv", "keys=q8,values=bf16", "--kv-keys", "int8", "--kv-values", "int8-channel")]
    public void KeysAndValuesAreStoredAsAskedFor(string kv, params string[] flags)
    {
        var run = CliRun.Of(
            ["bench", "--synthetic", "tiny", "--weights", "q8_0", "--depth", "64", "--fill", "random", "--prefill", "0", "--repeat", "1", "--threads", "1", "--decode", "2", "--json", .. flags]);
        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        var row = Assert.Single(run.Json[0]["results"]!.AsArray())!;
        var page = KvFormat.Find(kv)!.Page(64, 32);
        Assert.Equal((kv, 4L * page.Bytes / 32), ($"{row["kv"]}", row["kvBytesPerToken"]!.GetValue<long>()));
    }

    [Fact]
    public void AFileIsMeasuredWithItsOwnTypes()
    {
        var run = CliRun.Of("bench", "stories260K", "--depth", "40", "--prefill", "8", "--decode", "0", "--repeat", "1", "--threads", "2", "--json");
        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        var row = Assert.Single(run.Json[0]["results"]!.AsArray())!;
        Assert.Equal("f32 prefill 2 40", $"{row["weights"]} {row["fill"]} {row["threads"]} {row["depth"]}");
        Assert.True(row["prefillTokensPerSecond"]!.GetValue<double>() > 0);
        Assert.Null(row["decodeTokensPerSecond"]);
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public async Task AnInterruptKeepsWhatWasMeasured()
    {
        var interrupts = new Interrupts();
        var shell = new Shell(TextReader.Null, new StringWriter(), new StringWriter()) { Interrupts = interrupts };
        var bench = Task.Run(() => CliRun.With(shell, "bench", "stories260K", "--repeat", "1000", "--prefill", "400", "--json"));
        Assert.True(SpinWait.SpinUntil(() => interrupts.Raise(130), TimeSpan.FromSeconds(20)));
        var run = await bench;
        Assert.Equal((130, "interrupted; these are the cases that were measured until then\n"), (run.ExitCode, run.Error));
        Assert.True(run.Json[0]["partial"]!.GetValue<bool>());
        Assert.Empty(run.Json[0]["results"]!.AsArray());
    }

    [Theory]
    [InlineData($"no model: give MODEL, or --synthetic SHAPE ({AllShapes}), or --machine")]
    [InlineData("MODEL and --synthetic were given; one of them is allowed", "stories260K", "--synthetic", "tiny")]
    [InlineData("--machine measures no model; MODEL and --synthetic go without it", "stories260K", "--machine")]
    [InlineData("--weights is for --synthetic; a model's file has its own", "stories260K", "--weights", "q8_0")]
    [InlineData("--weights: 'q3' is not q4_0, q8_0, q4_k_m or bf16", "--synthetic", "tiny", "--weights", "q3")]
    [InlineData("--weights: '1' is not q4_0, q8_0, q4_k_m or bf16", "--synthetic", "tiny", "--weights", "1")]
    [InlineData($"--synthetic: synthetic model 'gpt' is unknown; known: {AllShapes}, each with :LAYERS for fewer layers", "--synthetic", "gpt")]
    [InlineData("--synthetic: synthetic model 'tiny:3': the layers after the colon are a whole number from 1 to 2", "--synthetic", "tiny:3")]
    [InlineData("--prefill: '' is not a list of token counts such as 512,4096, or 0", "stories260K", "--prefill", "")]
    [InlineData("--prefill: '8,,9' is not a list of token counts such as 512,4096, or 0", "stories260K", "--prefill", "8,,9")]
    [InlineData("--depth: '-1' is not a list of token counts such as 0,4096,32k", "stories260K", "--depth", "-1")]
    [InlineData("--batch: '0' is out of range: 1 to 512", "stories260K", "--batch", "0")]
    [InlineData("--batch: '513' is out of range: 1 to 512", "stories260K", "--batch", "1,513")]
    [InlineData("--repeat: '0' is out of range: 1 to 1000", "stories260K", "--repeat", "0")]
    [InlineData("--fill: 'zero' is not prefill or random", "stories260K", "--fill", "zero")]
    [InlineData("--attention: attention policy 'x' is unknown; known: {policies}", "stories260K", "--attention", "dense,x")]
    [InlineData("--attention: attention policy 'dense' has no option 'a=1' of the form key=value; it has none", "stories260K", "--attention", "dense:a=1,b=2")]
    [InlineData("--prefill 0 and --decode 0 leave nothing to measure", "stories260K", "--prefill", "0", "--decode", "0")]
    [InlineData("--paced: '1,2' is not reads a second, bytes a second and a latency such as 20000,400M,100us", "stories260K", "--paced", "1,2")]
    [InlineData("--paced stands in the place of --kv-dir: it goes with --kv-memory, and without --kv-dir and --machine", "stories260K", "--paced", "9,1M,0us")]
    [InlineData("--markdown and --json were given; one of them is allowed", "stories260K", "--markdown", "--json")]
    public void BadCommandLinesAreOneLine(string message, params string[] args)
    {
        var run = CliRun.Of(["bench", .. args]);
        var expected = message.Replace("{policies}", PolicyCatalog.Names, StringComparison.Ordinal);
        Assert.Equal((2, $"kvasir: {expected}; see kvasir bench --help\n"), (run.ExitCode, run.Error));
    }

    [Theory]
    [InlineData("depth 500 with 64 tokens on top is beyond the context of 512 tokens; --context allows more", "--depth", "0,500", "--prefill", "8")]
    [InlineData("depth 0 with 600 tokens on top is beyond the context of 512 tokens; --context allows more", "--prefill", "600")]
    [InlineData("depth 100 with 1 tokens on top is beyond the context of 64 tokens", "--depth", "100", "--context", "64", "--prefill", "0", "--decode", "1")]
    public void ACaseThatDoesNotFitIsNamedBeforeAnythingIsMeasured(string message, params string[] args) =>
        CliRun.Of(["bench", "stories260K", .. args]).AssertFails(1, $"kvasir: {message}");

    [Fact]
    public void KvMemoryThatDoesNotHoldACaseIsNamedWithBothNumbers()
    {
        // Seven pages of 32 tokens for each of four sequences, in five layers of four KV heads.
        var needed = 4L * 7 * 32 * 20 * 2 * RowCodec.BF16.RowBytes(8);
        CliRun.Of("bench", "stories260K", "--depth", "0,200", "--batch", "1,4", "--kv-memory", "400000", "--prefill", "8", "--decode", "8").AssertFails(
            1, $"kvasir: depth 200 with a batch of 4 takes {needed} bytes of KV memory, and 400000 are allowed; a smaller depth or batch, or --kv q8, takes less");
    }

    private static void AssertFigures(JsonObject row)
    {
        foreach (var name in new[] { "decodeTokensPerSecond", "linearMsPerStep", "attentionMsPerLayer", "bandwidthBytesPerSecond", "floorShare", "peakBytes", "weightBytes" })
            Assert.True(row[name]!.GetValue<double>() > 0, name);
        Assert.Equal((0, 1, 4), (row["selectionMsPerLayer"]!.GetValue<double>(), row["keysReadShare"]!.GetValue<double>(), row["decodeTokens"]!.GetValue<int>()));
        Assert.InRange(row["decodeTokensPerSecond"]!.GetValue<double>(), row["decodeTokensPerSecondMin"]!.GetValue<double>(), row["decodeTokensPerSecondMax"]!.GetValue<double>());
    }

    private static long Bytes(JsonObject row) => row["bytesPerStep"]!.GetValue<long>();
}
