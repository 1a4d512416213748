using Kvasir.Server.Answers;
using Kvasir.Server.Errors;
using Kvasir.Server.Security;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Kvasir.Server.Routes;

/// <summary>Takes the routes of dialects. Each path answers its method, and any other with 405.</summary>
internal sealed class RouteTable(IEndpointRouteBuilder endpoints, RouteHandling handling, DialectPaths dialects)
{
    /// <param name="paths">Names for the same.</param>
    public void Get(ErrorShape errors, RequestDelegate handler, params ReadOnlySpan<string> paths) =>
        Map(HttpMethods.Get, errors, RouteAccess.Key, handler, paths);

    /// <summary>A route that needs no key.</summary>
    public void GetOpen(ErrorShape errors, RequestDelegate handler, params ReadOnlySpan<string> paths) =>
        Map(HttpMethods.Get, errors, RouteAccess.Open, handler, paths);

    /// <inheritdoc cref="Get"/>
    public void Post(ErrorShape errors, RequestDelegate handler, params ReadOnlySpan<string> paths) =>
        Map(HttpMethods.Post, errors, RouteAccess.Key, handler, paths);

    /// <summary>Whatever the method.</summary>
    public void All(ErrorShape errors, RequestDelegate handler, params ReadOnlySpan<string> paths)
    {
        foreach (var path in paths)
        {
            dialects.Add(path, errors);
            endpoints.Map(path, context => handling.RunAsync(context, errors, RouteAccess.Key, handler));
        }
    }

    /// <summary>A route that a model answers.</summary>
    public void Answer(AnswerPath path, AnswerRoute route, params ReadOnlySpan<string> paths) =>
        Post(route.Errors, context => path.ServeAsync(context, route), paths);

    /// <summary>A path with several methods.</summary>
    public void Several(ErrorShape errors, string path, params ReadOnlySpan<(string Method, RequestDelegate Handler)> handlers)
    {
        string[] methods = [.. handlers.ToArray().Select(static one => one.Method)];
        foreach (var (method, handler) in handlers)
            endpoints.MapMethods(path, [method], context => handling.RunAsync(context, errors, RouteAccess.Key, handler));
        endpoints.Map(path, context => handling.RunAsync(context, errors, RouteAccess.Key, inner => throw NotAllowed(inner.Request, methods)));
    }

    private void Map(string method, ErrorShape errors, RouteAccess access, RequestDelegate handler, ReadOnlySpan<string> paths)
    {
        foreach (var path in paths)
        {
            dialects.Add(path, errors);
            // HEAD is a GET whose body stays away.
            string[] methods = method == HttpMethods.Get ? [HttpMethods.Get, HttpMethods.Head] : [method];
            endpoints.MapMethods(path, methods, context => handling.RunAsync(context, errors, access, handler));
            // The border answers OPTIONS of browsers.
            endpoints.Map(path, context => handling.RunAsync(context, errors, access, inner => throw NotAllowed(inner.Request, methods)));
        }
    }

    private static RequestException NotAllowed(HttpRequest request, string[] methods) =>
        new(new RequestError(ErrorKind.MethodNotAllowed, $"{request.Method} is not a method of {request.Path}, which takes {string.Join(" and ", methods)}")
        {
            Allow = string.Join(", ", methods),
        });
}
