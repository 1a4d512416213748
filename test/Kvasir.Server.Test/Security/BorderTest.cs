using System.Net;
using Kvasir.Server.Test.Support;
using Xunit;

namespace Kvasir.Server.Test.Security;

/// <summary>Who is let in: by the name that he asks, the page that he comes from, and the type of what he sends.</summary>
public sealed class BorderTest(PlainServer plain) : IClassFixture<PlainServer>
{
    [Theory]
    [InlineData("localhost", true)]
    [InlineData("localhost:1234", true)]
    [InlineData("LOCALHOST", true)]
    [InlineData("kvasir.localhost", true)]
    [InlineData("127.0.0.1", true)]
    [InlineData("[::1]:80", true)]
    [InlineData("box.example", true)]
    [InlineData("evil.example", false)]
    [InlineData("localhost.evil.example", false)]
    [InlineData("notlocalhost", false)]
    [InlineData("192.168.1.7", false)]
    [InlineData("127.0.0.1.nip.example", false)]
    public async Task OnThisMachineOnlyItsOwnNamesAreAnswered(string host, bool isAnswered)
    {
        var server = plain.Server;
        using var request = new HttpRequestMessage(HttpMethod.Get, "/health");
        request.Headers.Host = host;
        using var response = await server.Client.SendAsync(request);
        Assert.Equal(isAnswered ? HttpStatusCode.OK : HttpStatusCode.Forbidden, response.StatusCode);
    }

    [Theory]
    [InlineData("http://localhost:3000", true)]
    [InlineData("https://127.0.0.1", true)]
    [InlineData("https://evil.example", false)]
    [InlineData("http://localhost.evil.example", false)]
    [InlineData("http://localhost:3000.evil.example", false)]
    [InlineData("null", false)]
    [InlineData("file://", false)]
    public async Task OnlyPagesOfThisMachineMayAsk(string origin, bool isAnswered)
    {
        var server = plain.Server;
        using var response = await SendAsync(server, HttpMethod.Post, "/tokenize", ("Origin", origin));
        Assert.Equal(isAnswered ? HttpStatusCode.OK : HttpStatusCode.Forbidden, response.StatusCode);
        Assert.Equal(isAnswered ? [origin] : [], Values(response, "Access-Control-Allow-Origin"));
        Assert.Equal(["Origin"], Values(response, "Vary"));
        Assert.Empty(Values(response, "Access-Control-Allow-Credentials"));
    }

    [Fact]
    public async Task GivenOriginsAreInPlaceOfThoseOfThisMachine()
    {
        await using var server = await RunningServer.StartAsync(static options => options.CorsOrigins.Add("https://chat.example"));
        using var given = await SendAsync(server, HttpMethod.Post, "/tokenize", ("Origin", "https://chat.example"));
        using var local = await SendAsync(server, HttpMethod.Post, "/tokenize", ("Origin", "http://localhost:1"));
        using var other = await SendAsync(server, HttpMethod.Post, "/tokenize", ("Origin", "https://chat.example:444"));
        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.Forbidden, HttpStatusCode.Forbidden), (given.StatusCode, local.StatusCode, other.StatusCode));
    }

    [Fact]
    public async Task TheServersOwnPagesMayAsk()
    {
        await using var server = await RunningServer.StartAsync(static options => options.CorsOrigins.Add("https://chat.example"));
        using var response = await SendAsync(server, HttpMethod.Post, "/tokenize", ("Origin", $"http://127.0.0.1:{server.Address.Port}"));
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
    }

    [Fact]
    public async Task ARequestOfAnotherSiteThatHidesItsPageIsRefused()
    {
        var server = plain.Server;
        using var cross = await SendAsync(server, HttpMethod.Get, "/v1/models", ("Sec-Fetch-Site", "cross-site"));
        using var same = await SendAsync(server, HttpMethod.Get, "/v1/models", ("Sec-Fetch-Site", "same-origin"));
        Assert.Equal((HttpStatusCode.Forbidden, HttpStatusCode.OK), (cross.StatusCode, same.StatusCode));
    }

    [Fact]
    public async Task APreflightIsToldMethodsAndHeaders()
    {
        var server = plain.Server;
        using var response = await SendAsync(server, HttpMethod.Options, "/v1/chat/completions", ("Origin", "http://localhost:3000"),
            ("Access-Control-Request-Method", "POST"), ("Access-Control-Request-Headers", "authorization, anthropic-version, x-stainless-os, x-evil"));
        Assert.Equal(HttpStatusCode.NoContent, response.StatusCode);
        Assert.Equal(["http://localhost:3000"], Values(response, "Access-Control-Allow-Origin"));
        Assert.Equal(["GET, POST, DELETE"], Values(response, "Access-Control-Allow-Methods"));
        Assert.Equal(["authorization, content-type, x-api-key, x-request-id, anthropic-version, x-stainless-os"], Values(response, "Access-Control-Allow-Headers"));
        Assert.Equal(["600"], Values(response, "Access-Control-Max-Age"));
        using var foreign = await SendAsync(server, HttpMethod.Options, "/v1/chat/completions", ("Origin", "https://evil.example"), ("Access-Control-Request-Method", "POST"));
        Assert.Equal(HttpStatusCode.Forbidden, foreign.StatusCode);
    }

    [Theory]
    [InlineData("text/plain", HttpStatusCode.UnsupportedMediaType)]
    [InlineData("application/x-www-form-urlencoded", HttpStatusCode.UnsupportedMediaType)]
    [InlineData("application/json", HttpStatusCode.OK)]
    [InlineData("application/json; charset=utf-8", HttpStatusCode.OK)]
    public async Task APageSendsJsonAndSaysSo(string type, HttpStatusCode expected)
    {
        var server = plain.Server;
        using var page = await SendAsync(server, type, ("Sec-Fetch-Mode", "no-cors"));
        using var tool = await SendAsync(server, type);
        Assert.Equal((expected, HttpStatusCode.OK), (page.StatusCode, tool.StatusCode));
    }

    [Theory]
    [InlineData("*")]
    [InlineData("https://*.example")]
    [InlineData("chat.example")]
    [InlineData("https://chat.example/")]
    [InlineData("ftp://chat.example")]
    public async Task WhatIsNoOriginStopsTheStart(string origin)
    {
        var problem = await Assert.ThrowsAnyAsync<Exception>(() => RunningServer.StartAsync(options => options.CorsOrigins.Add(origin)));
        Assert.Contains($"'{origin}' is no origin", problem.Message, StringComparison.Ordinal);
    }

    private static Task<HttpResponseMessage> SendAsync(RunningServer server, HttpMethod method, string path, params (string Name, string Value)[] headers)
    {
        var request = new HttpRequestMessage(method, path);
        if (method == HttpMethod.Post)
            request.Content = new StringContent("""{"content":"Once"}""", new System.Net.Http.Headers.MediaTypeHeaderValue("application/json"));
        foreach (var (name, value) in headers)
            request.Headers.TryAddWithoutValidation(name, value);
        return server.Client.SendAsync(request);
    }

    private static Task<HttpResponseMessage> SendAsync(RunningServer server, string type, params (string Name, string Value)[] headers)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, "/tokenize") { Content = new StringContent("""{"content":"Once"}""") };
        request.Content.Headers.Remove("Content-Type");
        request.Content.Headers.TryAddWithoutValidation("Content-Type", type);
        foreach (var (name, value) in headers)
            request.Headers.TryAddWithoutValidation(name, value);
        return server.Client.SendAsync(request);
    }

    private static string[] Values(HttpResponseMessage response, string name) => response.Headers.TryGetValues(name, out var values) ? [.. values] : [];
}
