using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;
using Kvasir.Server.Hosting;
using Kvasir.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Kvasir.Server.Test.Support;

/// <summary>A server on a free port of this machine, with the bundled model that tells stories unless a test says otherwise.</summary>
internal sealed class RunningServer : IAsyncDisposable
{
    public const string Opening = "Once upon a time";
    private readonly WebApplication _app;

    private RunningServer(WebApplication app)
    {
        _app = app;
        Address = new Uri(app.Urls.First());
        Client = new HttpClient { BaseAddress = Address };
    }

    public Uri Address { get; }

    public HttpClient Client { get; }

    public IServiceProvider Services => _app.Services;

    public Engine Engine => Services.GetRequiredService<KvasirStart>().Engine!;

    public static async Task<RunningServer> StartAsync(Action<KvasirOptions>? configure = null, TimeProvider? clock = null, bool waits = true)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(static kestrel =>
        {
            kestrel.Listen(IPAddress.Loopback, 0);
            // Readers that do not read are the server's own to find.
            kestrel.Limits.MinResponseDataRate = null;
        });
        builder.WebHost.UseSockets(static sockets => sockets.CreateBoundListenSocket = SmallSocket);
        if (clock is not null)
            builder.Services.AddSingleton(clock);
        builder.AddKvasir(options =>
        {
            options.Model = "stories260K";
            options.Attention = "dense";
            options.Threads = 1;
            options.Warms = false;
            options.KvMemoryBytes = 16 << 20;
            options.UseTemplate(ChatTemplate.Parse("{{ messages[-1].content }}", "plain"));
            configure?.Invoke(options);
        });
        var app = builder.Build();
        app.UseKvasirErrors();
        app.MapKvasir();
        await app.StartAsync();
        if (waits)
            await app.Services.GetRequiredService<KvasirStart>().Loaded;
        return new RunningServer(app);
    }

    public Task<HttpResponseMessage> PostAsync(string path, string json, HttpCompletionOption until = HttpCompletionOption.ResponseContentRead) =>
        Client.SendAsync(new HttpRequestMessage(HttpMethod.Post, path) { Content = new StringContent(json, Encoding.UTF8, "application/json") }, until);

    /// <summary>The body of an answer, with what differs from run to run replaced by a letter.</summary>
    public async Task<string> BodyAsync(string path, string json)
    {
        using var response = await PostAsync(path, json);
        return Steady(await response.Content.ReadAsStringAsync());
    }

    /// <summary>The body of an answer, as it is.</summary>
    public async Task<string> BodyJsonAsync(string path, string json)
    {
        using var response = await PostAsync(path, json);
        return await response.Content.ReadAsStringAsync();
    }

    /// <summary>Asks again until the answer has a status; fails after 10 s.</summary>
    public Task<HttpResponseMessage> UntilStatusAsync(string path, HttpStatusCode status) => Soon.SeenAsync(
        () => Client.GetAsync(new Uri(path, UriKind.Relative)), response => response.StatusCode == status, response => $"{path} is {response.StatusCode}");

    public Task StopAsync() => _app.StopAsync();

    public static string Steady(string body)
    {
        body = Regex.Replace(body, "(chatcmpl|cmpl)-[0-9A-Za-z]{24}", "$1-I");
        body = Regex.Replace(body, "\"created\":[0-9]+", "\"created\":C");
        body = Regex.Replace(body, "\"kv_[0-9a-f]{12}\"", "\"F\"");
        return Regex.Replace(body, "\"timings\":\\{[^}]*\\}", "\"timings\":T");
    }

    /// <summary>Returns when the engine has come so far; fails after 10 s.</summary>
    public Task UntilAsync(Func<Engine, bool> isSo) =>
        Soon.SoAsync(() => isSo(Engine), () => $"{Engine.RunningCount} run, {Engine.WaitingCount} wait, {Engine.KvBytesInUse} bytes are in use");

    /// <summary>Returns when nobody computes or waits any more; every page is then free or in use, once, and none is in use.</summary>
    /// <param name="probes">Whether the model computes numbers, so that the pool can be looked at.</param>
    public async Task AssertQuietAsync(bool probes = true)
    {
        await UntilAsync(static engine => engine.RunningCount + engine.WaitingCount == 0 && engine.KvBytesInUse == engine.Prefixes.IdleBytes);
        if (!probes)
            return;
        // On the engine's own thread, since the pool is its own: a sequence brings the call along.
        var engine = Engine;
        var probe = new Sequence([1], new GenerationOptions { MaxTokens = 1, Logits = (_, _) => engine.Verify() });
        await Services.GetRequiredService<ServedModels>().Ready!.Loop.SubmitAsync(probe);
        await foreach (var token in probe.ReadAllAsync())
            Assert.InRange(token.Token, -1, int.MaxValue);
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await _app.StopAsync();
        await _app.DisposeAsync();
    }

    // Its connections inherit the size: a reader that does not read is felt after a few answers' worth of bytes.
    private static Socket SmallSocket(EndPoint endpoint)
    {
        var socket = SocketTransportOptions.CreateDefaultBoundListenSocket(endpoint);
        socket.SendBufferSize = 16 << 10;
        return socket;
    }
}
