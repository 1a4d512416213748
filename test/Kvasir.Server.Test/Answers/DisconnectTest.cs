namespace Kvasir.Server.Test.Answers;

/// <summary>A client that goes away ends its sequence, whatever the sequence is at.</summary>
public sealed class DisconnectTest
{
    private const string Endless = "{\"messages\":[{\"role\":\"user\",\"content\":\"Once upon a time\"}],\"ignore_eos\":true,\"stream\":STREAM}";

    [Theory]
    [InlineData("true")]
    [InlineData("false")]
    public async Task ADecodingSequenceEndsWithItsReader(string stream)
    {
        await using var server = await RunningServer.StartAsync(static options => options.ContextTokens = 100_000);
        using var leaving = new CancellationTokenSource();
        var request = new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions") { Content = new StringContent(Endless.Replace("STREAM", stream, StringComparison.Ordinal)) };
        var answer = server.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, leaving.Token);
        await server.UntilAsync(static engine => engine.KvBytesInUse > 0);
        if (stream == "true")
            (await answer).Dispose();
        await leaving.CancelAsync();
        await server.AssertQuietAsync();
    }
}
