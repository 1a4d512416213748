using System.Text.Json;
using Kvasir.Server.Test.Support;
using Xunit;

namespace Kvasir.Server.Test.Security;

/// <summary>What the listener refuses before a route is found has a body too, in the words of the dialect whose path it is.</summary>
public sealed class ListenerTest
{
    [Theory]
    [InlineData("GET\r\n\r\n", 400)]
    [InlineData("GET /v1/models HTTP/1.1\r\n\r\n", 400)]
    [InlineData("GET /v1/models HTTP/1.1\r\nHost: a b\r\n\r\n", 400)]
    [InlineData("GET /v1/models HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400)]
    [InlineData("GET /v1/models HTTP/1.1\r\nHost: localhost\r\nno field\r\n\r\n", 400)]
    [InlineData("GET /v1/models HTTP/9.9\r\nHost: localhost\r\n\r\n", 505)]
    [InlineData("GET /%00 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400)]
    [InlineData("POST /tokenize HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", 400)]
    [InlineData("POST /tokenize HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n", 400)]
    public async Task AHeadThatIsNoneIsRefusedInWords(string head, int status)
    {
        await using var server = await RunningServer.StartAsync();
        var (line, body) = await AnswerAsync(server, head);
        Assert.StartsWith($"HTTP/1.1 {status} ", line, StringComparison.Ordinal);
        var error = body.GetProperty("error");
        Assert.Equal(("invalid_request_error", "invalid_request"), (error.GetProperty("type").GetString(), error.GetProperty("code").GetString()));
        Assert.NotEqual("", error.GetProperty("message").GetString());
    }

    [Fact]
    public async Task AHeadThatIsTooLongIsRefusedWithTheLimit()
    {
        await using var server = await RunningServer.StartAsync();
        var (line, body) = await AnswerAsync(server, $"GET /{new string('a', 9000)} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 414 ", line, StringComparison.Ordinal);
        Assert.Equal("request_too_large", body.GetProperty("error").GetProperty("code").GetString());
        Assert.Equal("the request line has more than 8192 bytes", body.GetProperty("error").GetProperty("message").GetString());
        const string Words = "the headers have more than 32768 bytes, or more than 100 fields";
        var wide = $"Host: localhost\r\nX: {new string('a', 33_000)}\r\n\r\n";
        (line, body) = await AnswerAsync(server, $"POST /v1/chat/completions HTTP/1.1\r\n{wide}");
        Assert.StartsWith("HTTP/1.1 431 ", line, StringComparison.Ordinal);
        Assert.Equal(Words, body.GetProperty("error").GetProperty("message").GetString());
        (_, body) = await AnswerAsync(server, $"POST /v1/messages HTTP/1.1\r\n{wide}");
        Assert.Equal("request_too_large", body.GetProperty("error").GetProperty("type").GetString());
        Assert.NotEqual("", body.GetProperty("request_id").GetString());
        var fields = string.Concat(Enumerable.Range(0, 100).Select(static i => $"X-{i}: 1\r\n"));
        (line, body) = await AnswerAsync(server, $"GET /api/tags/ HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n");
        Assert.StartsWith("HTTP/1.1 431 ", line, StringComparison.Ordinal);
        Assert.Equal(Words, body.GetProperty("error").GetString());
    }

    // The status line, and the body; the length is as it is said, and the connection ends.
    private static async Task<(string Line, JsonElement Body)> AnswerAsync(RunningServer server, string head)
    {
        using var connection = new RawConnection(server.Address);
        await connection.SendAsync(head);
        await connection.ReadToEndAsync();
        var parts = connection.Received.Split("\r\n\r\n", 2);
        Assert.Contains("Connection: close\r\n", parts[0], StringComparison.Ordinal);
        Assert.Contains($"Content-Length: {parts[1].Length}\r\n", parts[0] + "\r\n", StringComparison.Ordinal);
        return (parts[0].Split("\r\n")[0], JsonDocument.Parse(parts[1]).RootElement);
    }
}
