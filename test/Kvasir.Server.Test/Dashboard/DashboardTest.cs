using System.Text;
using Kvasir.Server.Test.Support;
using PuppeteerSharp;

namespace Kvasir.Server.Test.Dashboard;

/// <summary>The page of a running server, as a browser and as a client sees it.</summary>
public sealed class DashboardTest
{
    [Fact]
    public async Task WhatAsksForAPageGetsItAndClientsOfOllamaTheirWords()
    {
        await using var server = await RunningServer.StartAsync();
        using var request = new HttpRequestMessage(HttpMethod.Get, "/");
        request.Headers.Add("Accept", "text/html,application/xhtml+xml,*/*;q=0.8");
        using var page = await server.Client.SendAsync(request);
        var html = await page.Content.ReadAsStringAsync();
        Assert.Equal("text/html", page.Content.Headers.ContentType?.MediaType);
        Assert.Contains("/kvasir/dashboard.js", html, StringComparison.Ordinal);
        Assert.StartsWith("default-src 'self'", Assert.Single(page.Headers.GetValues("Content-Security-Policy")), StringComparison.Ordinal);
        Assert.Equal(("DENY", "nosniff", "same-origin"), (Header(page, "X-Frame-Options"), Header(page, "X-Content-Type-Options"), Header(page, "Cross-Origin-Resource-Policy")));
        Assert.DoesNotContain("://", html, StringComparison.Ordinal);
        Assert.Equal("Ollama is running", await server.Client.GetStringAsync(new Uri("/", UriKind.Relative)));
    }

    [Fact]
    public async Task AHostCanDoWithoutIt()
    {
        await using var server = await RunningServer.StartAsync(static options => options.Dashboard = false);
        server.Client.DefaultRequestHeaders.Add("Accept", "text/html");
        Assert.Equal("Ollama is running", await server.Client.GetStringAsync(new Uri("/", UriKind.Relative)));
        using var script = await server.Client.GetAsync(new Uri("/kvasir/dashboard.js", UriKind.Relative));
        Assert.Equal(404, (int)script.StatusCode);
    }

    [Theory]
    [Trait("Needs", "Minutes")]
    [InlineData("light", 1280)]
    [InlineData("dark", 390)]
    public async Task NumbersMoveUnderLoadAndNothingLeavesTheHost(string scheme, int width)
    {
        await using var server = await RunningServer.StartAsync(static options => options.Audit = 0.1);
        await using var browser = await ServerPage.StartAsync();
        using var load = new CancellationTokenSource();
        var asking = LoadAsync(server, load.Token);
        var page = await browser.OpenAsync(server.Address, scheme, width);
        await page.WaitForFunctionAsync("() => Number(document.getElementById('decode-rate').textContent.replace(',', '')) > 0");
        await page.WaitForFunctionAsync("() => document.querySelectorAll('#slots tr').length > 0 && document.querySelectorAll('.policy').length > 0");
        await page.WaitForFunctionAsync("() => document.querySelector('#chart-tokens path').getAttribute('d').length > 20");
        Assert.Equal("live", await page.EvaluateExpressionAsync<string>("document.getElementById('state').dataset.state"));
        Assert.Contains("stories260K", await page.EvaluateExpressionAsync<string>("document.getElementById('model').textContent"), StringComparison.Ordinal);
        // Nothing sticks out to the right of a telephone.
        Assert.True(await page.EvaluateExpressionAsync<bool>("document.documentElement.scrollWidth <= window.innerWidth"));
        var back = await page.EvaluateExpressionAsync<string>("getComputedStyle(document.documentElement).backgroundColor");
        Assert.Equal(scheme == "dark" ? "rgb(22, 23, 26)" : "rgb(251, 250, 247)", back);
        await browser.PictureAsync(page, $"dashboard-{scheme}-{width}");
        // The first answer's time stands alone: a line needs two.
        var dot = "(samples.length = 0, samples.push({}, { first50: 5, first90: 7 }, {}), charts[1].draw(), document.querySelector('#chart-first path').getAttribute('d'))";
        Assert.Matches("^M[0-9.]+ [0-9.]+h0$", await page.EvaluateExpressionAsync<string>(dot));
        await load.CancelAsync();
        await asking;
        browser.AssertSound(server.Address);
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public async Task AQuestionIsAskedAndStoppedByKeyboardAlone()
    {
        await using var server = await RunningServer.StartAsync();
        await using var browser = await ServerPage.StartAsync();
        var page = await browser.OpenAsync(server.Address, "light", 1000);
        await page.FocusAsync("#question");
        await page.Keyboard.TypeAsync("Once upon a time");
        await page.Keyboard.PressAsync("Enter");
        await page.WaitForFunctionAsync("() => document.querySelector('.facts')?.textContent.includes('prompt tokens cached')");
        var facts = await page.EvaluateExpressionAsync<string>("document.querySelector('.facts').textContent");
        Assert.Contains("100% of the keys read by dense", facts, StringComparison.Ordinal);
        await page.FocusAsync("#question");
        await page.Keyboard.TypeAsync("<b>and then</b>");
        await page.Keyboard.PressAsync("Enter");
        await page.WaitForFunctionAsync("() => document.querySelectorAll('.answer').length === 4");
        await page.Keyboard.PressAsync("Escape");
        await page.WaitForFunctionAsync("() => !document.getElementById('send').disabled");
        // What was typed is text.
        Assert.Equal(0, await page.EvaluateExpressionAsync<int>("document.querySelectorAll('.answer b').length"));
        await server.AssertQuietAsync();
        browser.AssertSound(server.Address);
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public async Task WhereTheServerHasKeysThePageAsksForOne()
    {
        var file = Path.GetTempFileName();
        await File.WriteAllTextAsync(file, "alice sk-aaaaaaaaaaaa\n");
        await using var server = await RunningServer.StartAsync(options => options.KeyFile = file);
        File.Delete(file);
        await using var browser = await ServerPage.StartAsync();
        var page = await browser.OpenAsync(server.Address, "light", 1000);
        await page.WaitForFunctionAsync("() => !document.getElementById('door').hidden");
        await page.FocusAsync("#key");
        await page.Keyboard.TypeAsync("sk-aaaaaaaaaaaa");
        await page.Keyboard.PressAsync("Enter");
        await page.WaitForFunctionAsync("() => document.getElementById('state').dataset.state === 'live'");
        Assert.True(await page.EvaluateExpressionAsync<bool>("document.getElementById('door').hidden"));
    }

    private static string Header(HttpResponseMessage response, string name) => string.Join(',', response.Headers.GetValues(name));

    private static async Task LoadAsync(RunningServer server, CancellationToken cancellation)
    {
        try
        {
            for (var i = 0; ; i++)
            {
                using var content = new StringContent($"{{\"prompt\":\"Once upon a time {i}\",\"max_tokens\":300,\"ignore_eos\":true,\"kvasir\":{{\"attention\":\"psa:min-context=0\"}}}}", Encoding.UTF8, "application/json");
                using var response = await server.Client.PostAsync(new Uri("/v1/completions", UriKind.Relative), content, cancellation);
            }
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            return;
        }
    }
}
