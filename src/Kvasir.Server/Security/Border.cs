using System.Net;
using Kvasir.Server.Errors;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Options;

namespace Kvasir.Server.Security;

/// <summary>What every request is held to before anything of it is read: the server's name, the page it comes from, its type, its key.</summary>
internal sealed class Border(KeyRing keys, IOptions<KvasirOptions> options, TimeProvider clock)
{
    private const string Methods = "GET, POST, DELETE";
    private const string Exposed = "x-request-id, request-id, x-kvasir-model, x-kvasir-attention, x-kvasir-cached-tokens, x-kvasir-ignored, x-kvasir-warning, "
        + "retry-after, x-should-retry";
    private const string PreflightSeconds = "600";
    private static readonly string[] OfThisMachine = ["http://localhost:*", "https://localhost:*", "http://127.0.0.1:*", "https://127.0.0.1:*"];
    private static readonly string[] Headers = ["authorization", "content-type", "x-api-key", "x-request-id"];
    private static readonly string[] HeaderFamilies = ["anthropic-", "x-stainless-", "x-kvasir-"];
    private readonly HostRule _hosts = new([.. options.Value.AllowedHosts]);
    private readonly OriginRule _origins = new(options.Value.CorsOrigins is { Count: > 0 } origins ? origins : OfThisMachine);
    private readonly RefusalPace _pace = new(clock);

    /// <summary>Lets a request in, or answers it.</summary>
    /// <returns>Whether it goes on; false where a browser has asked whether it may, and was told.</returns>
    /// <exception cref="RequestException">It may not.</exception>
    public async Task<bool> EnterAsync(HttpContext context, RouteAccess access)
    {
        if (!_hosts.Allows(context))
            throw Forbidden($"this server is not '{Short(context.Request.Host.Host)}'; a name that it may be asked by is an allowed host");
        CheckOrigin(context);
        if (IsPreflight(context.Request))
        {
            AnswerPreflight(context);
            return false;
        }

        CheckType(context.Request);
        if (access == RouteAccess.Key && !keys.IsOpen)
            await CheckKeyAsync(context).ConfigureAwait(false);
        return true;
    }

    private void CheckOrigin(HttpContext context)
    {
        var (request, response) = (context.Request, context.Response);
        response.Headers.Vary = "Origin";
        var origin = request.Headers.Origin.ToString();
        if (origin.Length == 0)
        {
            if (request.Headers["Sec-Fetch-Site"] == "cross-site")
                throw Forbidden("a page of another site asks, and does not say which");
            return;
        }

        if (IsOwn(origin, request))
            return;
        if (!_origins.Allows(origin))
            throw Forbidden($"the page '{Short(origin)}' may not use this server; it is no allowed origin");
        response.Headers.AccessControlAllowOrigin = origin;
        response.Headers.AccessControlExposeHeaders = Exposed;
    }

    private static bool IsOwn(string origin, HttpRequest request) =>
        Uri.TryCreate(origin, UriKind.Absolute, out var page) && page.Scheme is ("http" or "https")
        && page.Host.Equals(request.Host.Host, StringComparison.OrdinalIgnoreCase) && page.Port == (request.Host.Port ?? (page.Scheme == "http" ? 80 : 443));

    private static bool IsPreflight(HttpRequest request) =>
        HttpMethods.IsOptions(request.Method) && request.Headers.Origin.Count > 0 && request.Headers.AccessControlRequestMethod.Count > 0;

    private static void AnswerPreflight(HttpContext context)
    {
        var headers = context.Response.Headers;
        context.Response.StatusCode = StatusCodes.Status204NoContent;
        headers.AccessControlAllowMethods = Methods;
        headers.AccessControlMaxAge = PreflightSeconds;
        var wanted = context.Request.Headers.AccessControlRequestHeaders.ToString()
            .Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        headers.AccessControlAllowHeaders = string.Join(", ", Headers.Concat(wanted.Where(IsAllowed)).Distinct(StringComparer.OrdinalIgnoreCase));
    }

    private static bool IsAllowed(string header) =>
        HeaderFamilies.Any(family => header.StartsWith(family, StringComparison.OrdinalIgnoreCase))
            && header.All(static c => char.IsAsciiLetterOrDigit(c) || c == '-');

    // A form of a page is sent without being asked about; JSON is not. Tools send whatever they like.
    private static void CheckType(HttpRequest request)
    {
        var isPage = request.Headers.Origin.Count > 0
            || request.Headers.Keys.Any(static name => name.StartsWith("Sec-Fetch-", StringComparison.OrdinalIgnoreCase));
        if (isPage && HttpMethods.IsPost(request.Method) && !request.HasJsonContentType())
            throw new RequestException(
                ErrorKind.WrongMediaType, $"the type of the body is '{Short(request.ContentType ?? "")}'; a page sends application/json");
    }

    private async Task CheckKeyAsync(HttpContext context)
    {
        var (bearer, own) = (Bearer(context.Request), context.Request.Headers["x-api-key"].ToString());
        var text = bearer.Length > 0 ? bearer : own;
        // Two keys that differ: whoever checks the one and counts the other would be got around.
        var key = text.Length > 0 && (bearer.Length == 0 || own.Length == 0 || bearer == own) ? keys.Find(text) : null;
        if (key is not null)
        {
            key.Join(context);
            return;
        }

        var wait = _pace.Take(context.Connection.RemoteIpAddress ?? IPAddress.None);
        if (wait > TimeSpan.Zero)
            await Task.Delay(wait, clock, context.RequestAborted).ConfigureAwait(false);
        var message = text.Length == 0 ? "no API key was sent: Authorization: Bearer KEY, or x-api-key: KEY"
            : bearer.Length > 0 && own.Length > 0 && bearer != own ? "Authorization and x-api-key hold two different keys"
            : "the API key is not known here";
        throw new RequestException(ErrorKind.Unauthorized, message);
    }

    private static string Bearer(HttpRequest request)
    {
        const string Scheme = "Bearer ";
        var header = request.Headers.Authorization.ToString();
        return header.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase) ? header[Scheme.Length..].Trim() : header.Trim();
    }

    private static RequestException Forbidden(string message) => new(ErrorKind.Forbidden, message);

    private static string Short(string text) => Reading.RequestValue.Short(text);
}
