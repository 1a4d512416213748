using System.Net;
using Kvasir.Server.Test.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using PuppeteerSharp;

namespace Kvasir.Server.Test.Security;

/// <summary>Pages of other origins in a real browser: what they can have computed, and read, of a server on the same machine.</summary>
public sealed class ForeignPageTest
{
    // Asks as a page would that knows how, and as one that hopes for a request without a question before it.
    private const string Ask = """
        async (address) => {
            const body = JSON.stringify({ prompt: "Once upon a time", max_tokens: 4, temperature: 0 });
            const asked = [
                () => fetch(address + "/v1/completions", { method: "POST", headers: { "Content-Type": "application/json" }, body }),
                () => fetch(address + "/v1/completions", { method: "POST", headers: { "Content-Type": "text/plain" }, body }),
                () => fetch(address + "/v1/completions", { method: "POST", mode: "no-cors", body }),
                () => fetch(address + "/v1/models"),
            ];
            const told = [];
            for (const ask of asked) {
                try {
                    const answer = await ask();
                    told.push(`${answer.type} ${answer.status} ${answer.headers.get("x-kvasir-model")}`);
                } catch (error) {
                    told.push(error.name);
                }
            }
            return told;
        }
        """;

    [Theory]
    [Trait("Needs", "Minutes")]
    [InlineData("localhost", "https://chat.example")]
    [InlineData("evil.example", null)]
    public async Task APageThatIsNotAllowedReadsNothingAndHasNothingComputed(string host, string? allowed)
    {
        await using var server = await StartAsync(allowed);
        Assert.Equal(["TypeError", "TypeError", "opaque 0 null", "TypeError"], await AskAsync(server, host));
        Assert.Equal(0, server.Engine.Figures.PromptRows);
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public async Task APageThatIsAllowedAsksAndReadsTheHeaders()
    {
        await using var server = await StartAsync("http://evil.example:*");
        Assert.Equal(["cors 200 stories260K", "cors 415 null", "opaque 0 null", "cors 200 null"], await AskAsync(server, "evil.example"));
        Assert.True(server.Engine.Figures.PromptRows > 0);
    }

    // A name that is turned to this machine once its page is there.
    [Fact]
    [Trait("Needs", "Minutes")]
    public async Task APageUnderANameThatLeadsToTheServerIsNotServed()
    {
        await using var server = await StartAsync(null);
        await using var browser = await ServerPage.StartAsync();
        var page = await browser.NewPageAsync();
        var answer = await page.GoToAsync($"http://evil.example:{server.Address.Port}/v1/models");
        Assert.Equal(HttpStatusCode.Forbidden, answer.Status);
    }

    private static Task<RunningServer> StartAsync(string? allowed) => RunningServer.StartAsync(options =>
    {
        if (allowed is not null)
            options.CorsOrigins.Add(allowed);
    });

    private static async Task<string[]> AskAsync(RunningServer server, string host)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(static kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        await using var other = builder.Build();
        other.Run(static context =>
        {
            context.Response.ContentType = "text/html";
            return context.Response.WriteAsync("<!doctype html><title>a page</title>");
        });
        await other.StartAsync();
        await using var browser = await ServerPage.StartAsync();
        var page = await browser.NewPageAsync();
        await page.GoToAsync($"http://{host}:{new Uri(other.Urls.First()).Port}/");
        return await page.EvaluateFunctionAsync<string[]>(Ask, $"http://localhost:{server.Address.Port}");
    }
}
