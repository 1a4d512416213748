using System.Net;
using Kvasir.Server;
using Kvasir.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Kvasir.Tools.Test.Support;

/// <summary>A server on a free port of this machine, for verbs that ask one.</summary>
internal sealed class LocalServer : IAsyncDisposable
{
    private readonly WebApplication _app;

    private LocalServer(WebApplication app) => _app = app;

    public string Address => _app.Urls.First();

    public KvasirStart Start => _app.Services.GetRequiredService<KvasirStart>();

    /// <summary>Kvasir's, with the bundled model that tells stories.</summary>
    public static async Task<LocalServer> OfStoriesAsync(Action<KvasirOptions>? configure = null)
    {
        var builder = Builder();
        builder.AddKvasir(options =>
        {
            (options.Model, options.Attention, options.Threads, options.KvMemoryBytes) = ("stories260K", "dense", 1, 16 << 20);
            options.UseTemplate(ChatTemplate.Parse("{% for m in messages %}{{ m.content }} {% endfor %}", "plain"));
            configure?.Invoke(options);
        });
        var app = builder.Build();
        app.UseKvasirErrors();
        app.MapKvasir();
        await app.StartAsync();
        await app.Services.GetRequiredService<KvasirStart>().Loaded;
        return new LocalServer(app);
    }

    /// <summary>One that answers every request in the same way, whatever it is.</summary>
    public static async Task<LocalServer> OfAsync(RequestDelegate answer)
    {
        var app = Builder().Build();
        app.Run(answer);
        await app.StartAsync();
        return new LocalServer(app);
    }

    /// <summary>One whose streams are this text, byte by byte, and which has a model m.</summary>
    public static Task<LocalServer> OfStreamAsync(string stream) => OfAsync(context =>
        context.Request.Path == "/v1/models" ? context.Response.WriteAsync("""{"data":[{"id":"m"}]}""")
        : context.Request.Path == "/tokenize" ? NotFoundAsync(context)
        : context.Response.WriteAsync(stream));

    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync();
        await _app.DisposeAsync();
    }

    private static Task NotFoundAsync(HttpContext context)
    {
        context.Response.StatusCode = 404;
        return Task.CompletedTask;
    }

    private static WebApplicationBuilder Builder()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(static kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        return builder;
    }
}
