using System.Text.Json;
using Kvasir.Server.Test.Support;
using Xunit;

namespace Kvasir.Server.Test.Security;

/// <summary>What the listener refuses before a route is found has a body too, in the words of the dialect whose path it is.</summary>
public sealed class ListenerTest(PlainServer plain) : IClassFixture<PlainServer>
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
        var server = plain.Server;
        var (line, body) = await AnswerAsync(server, head);
        Assert.StartsWith($"HTTP/1.1 {status} ", line, StringComparison.Ordinal);
        var error = body.GetProperty("error");
        Assert.Equal(("invalid_request_error", "invalid_request"), (error.GetProperty("type").GetString(), error.GetProperty("code").GetString()));
        Assert.NotEqual("", error.GetProperty("message").GetString());
    }

    [Fact]
    public async Task AHeadThatIsTooLongIsRefusedWithTheLimit()
    {
        var server = plain.Server;
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

    [Fact]
    public async Task ABadHeadBehindGoodRequestsIsAnsweredBehindTheirAnswers()
    {
        using var connection = new RawConnection(plain.Server.Address);
        const string Good = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
        await connection.SendAsync($"{Good}{Good}GET /health HTTP/1.1\r\nHost: localhost\r\nno field\r\n\r\n{Good}");
        await connection.ReadToEndAsync();
        var answers = connection.Received.Split("HTTP/1.1 ", StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(["200", "200", "400"], answers.Select(static answer => answer[..3]));
        Assert.EndsWith("\"code\":\"invalid_request\"}}", answers[2], StringComparison.Ordinal);
    }

    // The listener's own clock: five seconds of grace, and then 240 bytes a second.
    [Fact]
    [Trait("Needs", "Minutes")]
    public async Task ABodyThatComesTooSlowlyIs408()
    {
        using var connection = new RawConnection(plain.Server.Address);
        await connection.SendAsync("POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{");
        await connection.ReadToEndAsync();
        Assert.StartsWith("HTTP/1.1 408 ", connection.Received, StringComparison.Ordinal);
        Assert.EndsWith("{\"error\":\"the request's body comes slower than 240 bytes a second\"}", connection.Received, StringComparison.Ordinal);
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
