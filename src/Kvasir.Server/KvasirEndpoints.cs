using Kvasir.Server.Errors;
using Kvasir.Server.OpenAi;
using Kvasir.Server.Routes;
using Kvasir.Server.Security;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Kvasir.Server;

/// <summary>Kvasir's routes.</summary>
public static class KvasirEndpoints
{
    /// <summary>Maps every route that Kvasir answers, beneath whatever group <paramref name="endpoints"/> is.</summary>
    public static IEndpointConventionBuilder MapKvasir(this IEndpointRouteBuilder endpoints)
    {
        ArgumentNullException.ThrowIfNull(endpoints);
        var group = endpoints.MapGroup("");
        var services = endpoints.ServiceProvider;
        var routes = new RouteTable(group, services.GetRequiredService<RouteHandling>(), services.GetRequiredService<DialectPaths>());
        foreach (var dialect in services.GetServices<IDialectRoutes>())
            dialect.Map(routes);
        return group;
    }

    /// <summary>
    /// Answers paths that nobody has mapped with 404 and an error as OpenAI's clients read it, and heads that the listener refuses with an error as the
    /// clients of their path read it. For hosts that serve nothing else.
    /// </summary>
    public static IApplicationBuilder UseKvasirErrors(this IApplicationBuilder app)
    {
        ArgumentNullException.ThrowIfNull(app);
        var handling = app.ApplicationServices.GetRequiredService<RouteHandling>();
        app.ApplicationServices.GetRequiredService<ListenerRefusals>().Begin();
        return app.Use((context, next) => context.GetEndpoint() is not null ? next(context)
            : handling.RunAsync(context, OpenAiErrors.Shape, RouteAccess.Key, static unknown => throw NotFound(unknown.Request)));
    }

    private static RequestException NotFound(HttpRequest request) =>
        new(ErrorKind.RouteNotFound, $"there is no route {request.Method} {request.Path}");
}
