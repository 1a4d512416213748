using System.Globalization;
using System.IO.Pipelines;
using Kvasir.Server.Errors;
using Kvasir.Server.Framing;
using Kvasir.Server.Security;
using Kvasir.Server.Telemetry;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;
using Microsoft.Extensions.Logging;

namespace Kvasir.Server.Routes;

/// <summary>What surrounds the handler of every route: the request's id, the border, and errors, each as its dialect says it.</summary>
internal sealed partial class RouteHandling(Border border, RequestJournal journal, ILogger<RouteHandling> log)
{
    private const int MostIdCharacters = 64;

    public async Task RunAsync(HttpContext context, ErrorShape errors, RouteAccess access, RequestDelegate handler)
    {
        using var entry = Begin(context, access);
        try
        {
            if (await border.EnterAsync(context, access).ConfigureAwait(false))
                await handler(context).ConfigureAwait(false);
        }
        catch (Exception) when (context.RequestAborted.IsCancellationRequested)
        {
            RequestRecord.Of(context).IsGone = true;
            LogGone(context.TraceIdentifier);
        }
        catch (BadHttpRequestException refused)
        {
            await FailAsync(context, errors, OfBody(context, refused)).ConfigureAwait(false);
        }
        catch (Exception problem)
        {
            var error = EngineErrors.Of(problem, isRunning: false);
            if (error.Kind == ErrorKind.EngineFailed)
                LogFault(problem, context.TraceIdentifier);
            await FailAsync(context, errors, error).ConfigureAwait(false);
        }
    }

    /// <summary>Answers a request that no handler sees with an error.</summary>
    /// <param name="connection">Where its body goes.</param>
    public async Task RefuseAsync(HttpContext context, PipeWriter connection, ErrorShape errors, RequestError error)
    {
        using var entry = Begin(context, RouteAccess.Key);
        RequestRecord.Of(context).Error = error;
        WriteHead(context, errors, error);
        try
        {
            await WholeBody.SendAsync(context, connection, json => errors.Write(json, error, context.TraceIdentifier, isInStream: false)).ConfigureAwait(false);
        }
        catch (Exception)
        {
            LogGone(context.TraceIdentifier);
        }
    }

    private IDisposable Begin(HttpContext context, RouteAccess access)
    {
        var id = RequestId(context.Request);
        context.TraceIdentifier = id;
        context.Response.Headers["x-request-id"] = id;
        context.Response.Headers["request-id"] = id;
        return journal.Begin(context, access);
    }

    private async Task FailAsync(HttpContext context, ErrorShape errors, RequestError error)
    {
        RequestRecord.Of(context).Error = error;
        if (context.Response.HasStarted)
        {
            // Half an answer, which nobody may take for a whole one.
            context.Abort();
            return;
        }

        WriteHead(context, errors, error);
        await WholeBody.SendAsync(context, json => errors.Write(json, error, context.TraceIdentifier, isInStream: false)).ConfigureAwait(false);
    }

    private void WriteHead(HttpContext context, ErrorShape errors, RequestError error)
    {
        var response = context.Response;
        response.StatusCode = errors.Status(error);
        if (error.Kind.MayBeRetried)
            response.Headers.RetryAfter = error.RetryAfterSeconds.ToString(CultureInfo.InvariantCulture);
        if (error.Kind.IsFinal)
            response.Headers["x-should-retry"] = "false";
        if (error.Kind.ClosesConnection)
            response.Headers.Connection = "close";
        if (error.Kind.Challenge is { } challenge)
            response.Headers.WWWAuthenticate = challenge;
        if (error.Allow is { } methods)
            response.Headers.Allow = methods;
        LogRefused(context.TraceIdentifier, response.StatusCode, error.Kind.Code);
    }

    // What the listener refuses of a body while it is read.
    private static RequestError OfBody(HttpContext context, BadHttpRequestException refused) => refused.StatusCode switch
    {
        StatusCodes.Status400BadRequest => new(ErrorKind.InvalidJson, refused.Message),
        StatusCodes.Status408RequestTimeout when context.Features.Get<IHttpMinRequestBodyDataRateFeature>()?.MinDataRate is { } rate =>
            new(ErrorKind.OfListener(refused.StatusCode), $"the request's body comes slower than {rate.BytesPerSecond} bytes a second"),
        _ => new(ErrorKind.OfListener(refused.StatusCode), refused.Message),
    };

    private static string RequestId(HttpRequest request)
    {
        var given = request.Headers["x-request-id"].ToString();
        var isSound = given.Length is >= 1 and <= MostIdCharacters && given.All(static c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-');
        return isSound ? given : Guid.NewGuid().ToString("N");
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "{Id}: the client went away")]
    private partial void LogGone(string id);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Id}: refused with {Status}, {Code}")]
    private partial void LogRefused(string id, int status, string code);

    [LoggerMessage(Level = LogLevel.Error, Message = "{Id}: a fault of the server")]
    private partial void LogFault(Exception problem, string id);
}
