using System.Diagnostics;
using System.Text.Json;
using Kvasir.Server.Test.Support;

namespace Kvasir.Server.Test.Hosting;

/// <summary>The server as its users start it: the tool, and a host of their own.</summary>
public sealed class ProcessesTest
{
    [Theory]
    [Trait("Needs", "Minutes")]
    [InlineData("TERM", 143)]
    [InlineData("INT", 130)]
    public async Task ServeStopsCleanlyAndSaysWhichSignalItWas(string signal, int exitCode)
    {
        using var process = new ServerProcess("Kvasir.Cli.dll", "serve", "--threads", "1", "--port", "0", "--attention", "dense", "--drain-seconds", "1");
        var address = await process.LineAsync("^serving stories260K at (.+)$");
        using var running = new RawConnection(new Uri(address));
        await running.PostAsync("/v1/completions", "{\"prompt\":\"Once\",\"ignore_eos\":true,\"stream\":true}");
        Assert.True(await running.ReadUntilAsync("data:"));
        process.Signal(signal);
        Assert.Equal(exitCode, await process.ExitCodeAsync());
        await running.ReadToEndAsync();
        Assert.Contains("[DONE]", running.Received);
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public async Task ServeEmbedsWhereItIsToldTo()
    {
        using var process = new ServerProcess("Kvasir.Cli.dll", "serve", "--threads", "1", "--port", "0", "--attention", "dense", "--embeddings");
        using var client = new HttpClient { BaseAddress = new Uri(await process.LineAsync("^serving stories260K at (.+)$")) };
        using var answer = await client.PostAsync(new Uri("/v1/embeddings", UriKind.Relative), new StringContent("{\"input\":\"a cat\"}"));
        Assert.Contains("\"object\":\"embedding\"", await answer.Content.ReadAsStringAsync());
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public async Task ServeMakesUpWeightsWhereItIsToldTo()
    {
        using var process = new ServerProcess("Kvasir.Cli.dll", "serve", "--threads", "1", "--synthetic", "tiny", "--weights", "q8_0", "--port", "0", "--attention", "dense");
        using var client = new HttpClient { BaseAddress = new Uri(await process.LineAsync("^serving tiny at (.+)$")) };
        using var answer = await client.PostAsync(
            new Uri("/v1/completions", UriKind.Relative), new StringContent("{\"prompt\":[1,2,3],\"max_tokens\":2,\"ignore_eos\":true}"));
        Assert.Contains("\"completion_tokens\":2", await answer.Content.ReadAsStringAsync());
    }

    [Theory]
    [Trait("Needs", "Minutes")]
    [InlineData("chat.completion", "--quiet")]
    [InlineData("text_completion", "stories260K")]
    [InlineData("text_completion", "stories260K", "needle")]
    public async Task TheCommandThatServePrintsWorksAsPrinted(string answered, params string[] typed)
    {
        using var process = new ServerProcess("Kvasir.Cli.dll", ["serve", "--threads", "1", "--port", "0", "--attention", "dense", "--kv-memory", "32M", .. typed]);
        var command = await process.LineAsync("^try: (curl .+)$");
        using var curl = Process.Start(new ProcessStartInfo("bash", ["-c", command]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var answer = await curl.StandardOutput.ReadToEndAsync();
        Assert.Contains($"\"object\":\"{answered}\"", answer);
        Assert.Contains("\"finish_reason\":\"", answer);
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public async Task PsAndListShowWhatAServerHas()
    {
        using var process = new ServerProcess("Kvasir.Cli.dll", "serve", "--threads", "1", "--port", "0", "--attention", "dense", "--context", "512");
        var address = await process.LineAsync("^serving stories260K at (.+)$");
        using var ps = new ServerProcess("Kvasir.Cli.dll", "ps", "--server", address);
        Assert.Matches("^[0-9.]+ [KM]iB +512 .*stays +dense$", await ps.LineAsync("^  stories260K +(.+)$"));
        using var list = new ServerProcess("Kvasir.Cli.dll", "list", "--server", address);
        Assert.Matches("^[0-9.]+ [KM]iB +loaded$", await list.LineAsync("^  stories260K +(.+)$"));
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public async Task ServeTakesSeveralModelsAndPsAndListShowThem()
    {
        using var process = new ServerProcess(
            "Kvasir.Cli.dll", "serve", "stories260K", "needle", "--threads", "1", "--port", "0", "--attention", "dense", "--kv-memory", "32M", "--alias", "needle=finder");
        using var client = new HttpClient { BaseAddress = new Uri(await process.LineAsync("^serving stories260K and needle at (.+)$")) };
        using var answer = await client.PostAsync(
            new Uri("/v1/completions", UriKind.Relative), new StringContent("{\"model\":\"finder\",\"prompt\":\"Once\",\"max_tokens\":1}"));
        Assert.Contains("\"model\":\"needle\"", await answer.Content.ReadAsStringAsync());
        using var tags = JsonDocument.Parse(await client.GetStringAsync(new Uri("/api/tags", UriKind.Relative)));
        Assert.Equal(["stories260K", "needle"], tags.RootElement.GetProperty("models").EnumerateArray().Select(static model => model.GetProperty("name").GetString()));
        using var ps = new ServerProcess("Kvasir.Cli.dll", "ps", "--server", client.BaseAddress.ToString());
        Assert.Equal("2", await ps.LineAsync("^([0-9]+) models in memory$"));
        Assert.Matches("stays +dense$", await ps.LineAsync("^  needle +(.+)$"));
        using var list = new ServerProcess("Kvasir.Cli.dll", "list", "--server", client.BaseAddress.ToString());
        Assert.Matches("loaded$", await list.LineAsync("^  needle +(.+)$"));
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public async Task AModelThatIsNotThereEndsServeWithOneLine()
    {
        using var process = new ServerProcess("Kvasir.Cli.dll", "serve", "no-such-model", "--port", "0");
        Assert.Equal(1, await process.ExitCodeAsync());
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public async Task AHostOfOnesOwnAnswersBesideItsOwnRoutes()
    {
        using var process = new ServerProcess("Host.dll", "--urls", "http://127.0.0.1:0", "--Kvasir:Attention=dense", "--Kvasir:Threads=1");
        using var client = new HttpClient { BaseAddress = new Uri(await process.LineAsync("Now listening on: (.+)$")) };
        Assert.NotEmpty(await client.GetStringAsync(new Uri("/story", UriKind.Relative)));
        using var answer = await client.PostAsync(new Uri("/v1/completions", UriKind.Relative), new StringContent("{\"prompt\":\"Once upon a time\",\"temperature\":0,\"max_tokens\":3}"));
        Assert.Contains("\"text\":\", there was\"", await answer.Content.ReadAsStringAsync());
        process.Signal("TERM");
        Assert.Equal(0, await process.ExitCodeAsync());
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public async Task AHostWithAWrongOptionDoesNotStart()
    {
        using var process = new ServerProcess("Host.dll", "--urls", "http://127.0.0.1:0", "--Kvasir:KeepAliveSeconds=90", "--Kvasir:Kv=nope");
        Assert.NotEqual(0, await process.ExitCodeAsync());
    }
}
