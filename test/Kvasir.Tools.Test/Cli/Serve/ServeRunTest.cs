using Kvasir.Cli.Serve;
using Kvasir.Cli.Shared;

namespace Kvasir.Tools.Test.Cli.Serve;

/// <summary>When <c>kvasir serve</c> ends by itself.</summary>
public sealed class ServeRunTest
{
    [Fact]
    public async Task ThreeFaultsWithinAMinuteEndItWithTheCodeOfOurOwnFaults()
    {
        await using var server = await LocalServer.OfStoriesAsync();
        using var error = new StringWriter();
        using var client = new HttpClient { BaseAddress = new Uri(server.Address) };
        var shell = new Shell(TextReader.Null, TextWriter.Null, error);
        var code = ServeRun.WaitAsync(shell, server.Start, CancellationToken.None);
        for (var fault = 0; fault < 3; fault++)
        {
            Assert.False(code.IsCompleted);
            using (var use = server.Start.Engine!.Use())
            {
                var pass = use.Pass;
                pass.Capture = (_, _, _) =>
                {
                    pass.Capture = null;
                    throw new InvalidTimeZoneException();
                };
            }

            using var failed = await client.PostAsync(new Uri("/v1/completions", UriKind.Relative), new StringContent("{\"prompt\":\"Once\",\"max_tokens\":3}"));
            Assert.Equal(500, (int)failed.StatusCode);
        }

        Assert.Equal(70, await code);
        Assert.Contains("the engine of stories260K failed three times within a minute", error.ToString(), StringComparison.Ordinal);
    }
}
