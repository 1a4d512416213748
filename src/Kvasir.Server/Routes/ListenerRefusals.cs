using System.Diagnostics;
using Kvasir.Server.Errors;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Options;
using HttpProtocol = Microsoft.AspNetCore.Http.HttpProtocol;
using BadHttpRequestException = Microsoft.AspNetCore.Http.BadHttpRequestException;

namespace Kvasir.Server.Routes;

/// <summary>
/// Requests that the listener refuses before anybody sees them, since their head is malformed, too long or too slow: by itself it would close the connection
/// behind a status alone. They get an error with a body, as all others do.
/// </summary>
/// <param name="heard">Where the listener tells of them, on the thread that refuses and before it answers itself.</param>
internal sealed class ListenerRefusals(DiagnosticListener heard, RouteHandling handling, DialectPaths dialects, IOptions<KestrelServerOptions> listener)
    : IObserver<KeyValuePair<string, object?>>, IDisposable
{
    private const string Refused = "Microsoft.AspNetCore.Server.Kestrel.BadRequest";
    private IDisposable? _hearing;

    /// <summary>Answers them from now on. It is for hosts whose handlers let no such refusal of a body out, which would be heard too.</summary>
    public void Begin() => _hearing ??= heard.Subscribe(this, static name => name == Refused);

    public void Dispose() => _hearing?.Dispose();

    public void OnNext(KeyValuePair<string, object?> value)
    {
        if (value is not { Key: Refused, Value: IFeatureCollection features }
            || features.Get<IBadRequestExceptionFeature>()?.Error is not BadHttpRequestException refusal
            || features.Get<IHttpResponseFeature>() is not { HasStarted: false }
            || features.Get<IConnectionTransportFeature>() is not { Transport.Output: var connection })
            return;
        var context = new DefaultHttpContext(features);
        // Later versions have many requests in one connection, and refuse by frames.
        if (HttpProtocol.IsHttp2(context.Request.Protocol) || HttpProtocol.IsHttp3(context.Request.Protocol))
            return;
        var error = new RequestError(ErrorKind.OfListener(refusal.StatusCode), Words(refusal));
        // The listener closes the connection behind this call. A few hundred bytes are taken at once, or nobody reads them.
        _ = handling.RefuseAsync(context, connection, dialects.ShapeOf(context.Request.Path), error);
    }

    public void OnError(Exception error)
    {
    }

    public void OnCompleted()
    {
    }

    private string Words(BadHttpRequestException refusal)
    {
        var limits = listener.Value.Limits;
        return refusal.StatusCode switch
        {
            StatusCodes.Status414UriTooLong => $"the request line has more than {limits.MaxRequestLineSize} bytes",
            StatusCodes.Status431RequestHeaderFieldsTooLarge =>
                $"the headers have more than {limits.MaxRequestHeadersTotalSize} bytes, or more than {limits.MaxRequestHeaderCount} fields",
            StatusCodes.Status408RequestTimeout => $"the headers took longer than {limits.RequestHeadersTimeout.TotalSeconds} s",
            _ => $"this is no request of HTTP: {refusal.Message}",
        };
    }
}
