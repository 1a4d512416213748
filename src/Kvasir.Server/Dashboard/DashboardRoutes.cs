using System.Reflection;
using Kvasir.Server.OpenAi;
using Kvasir.Server.Routes;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Options;

namespace Kvasir.Server.Dashboard;

/// <summary>
/// The page of a running server, at <c>/</c> for browsers. Its three files are inside the assembly and need nothing from elsewhere; they hold no figure, so
/// that no key is needed for them, and ask for one where the server has keys. Clients of Ollama look at <c>/</c> whether it runs.
/// </summary>
internal sealed class DashboardRoutes(IOptions<KvasirOptions> options) : IDialectRoutes
{
    private const string Policy = "default-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'";

    public void Map(RouteTable routes)
    {
        var page = Page("dashboard.html", "text/html");
        routes.GetOpen(
            OpenAiErrors.Shape,
            context => options.Value.Dashboard && WantsPage(context.Request)
                ? page(context)
                : context.Response.WriteAsync("Ollama is running", context.RequestAborted),
            "/");
        if (!options.Value.Dashboard)
            return;
        routes.GetOpen(OpenAiErrors.Shape, Page("dashboard.css", "text/css"), "/kvasir/dashboard.css");
        routes.GetOpen(OpenAiErrors.Shape, Page("dashboard.js", "text/javascript"), "/kvasir/dashboard.js");
    }

    private static bool WantsPage(HttpRequest request) =>
        request.GetTypedHeaders().Accept.Any(static type => type.MediaType.Equals("text/html", StringComparison.OrdinalIgnoreCase));

    private static RequestDelegate Page(string name, string type)
    {
        using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream(name)
            ?? throw new InvalidOperationException($"{name} is not inside the assembly");
        var bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return async context =>
        {
            var response = context.Response;
            response.ContentType = $"{type}; charset=utf-8";
            response.ContentLength = bytes.Length;
            response.Headers.CacheControl = "no-cache";
            response.Headers.ContentSecurityPolicy = Policy;
            response.Headers.XFrameOptions = "DENY";
            response.Headers.XContentTypeOptions = "nosniff";
            response.Headers["Cross-Origin-Resource-Policy"] = "same-origin";
            response.Headers["Referrer-Policy"] = "no-referrer";
            if (!HttpMethods.IsHead(context.Request.Method))
                await response.Body.WriteAsync(bytes, context.RequestAborted).ConfigureAwait(false);
        };
    }
}
