using System.Globalization;
using Kvasir.Server.Errors;
using Kvasir.Server.Framing;
using Kvasir.Server.Security;
using Kvasir.Server.Telemetry;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Kvasir.Server.Routes;

/// <summary>What surrounds the handler of every route: the request's id, the border, and errors, each as its dialect says it.</summary>
internal sealed partial class RouteHandling(Border border, RequestJournal journal, ILogger<RouteHandling> log)
{
    private const int MostIdCharacters = 64;

    public async Task RunAsync(HttpContext context, ErrorShape errors, RouteAccess access, RequestDelegate handler)
    {
        var id = RequestId(context.Request);
        context.TraceIdentifier = id;
        context.Response.Headers["x-request-id"] = id;
        context.Response.Headers["request-id"] = id;
        using var entry = journal.Begin(context, access);
        try
        {
            if (await border.EnterAsync(context, access).ConfigureAwait(false))
                await handler(context).ConfigureAwait(false);
        }
        catch (Exception) when (context.RequestAborted.IsCancellationRequested)
        {
            RequestRecord.Of(context).IsGone = true;
            LogGone(id);
        }
        catch (BadHttpRequestException refused)
        {
            var kind = refused.StatusCode == StatusCodes.Status413PayloadTooLarge ? ErrorKind.TooLarge : ErrorKind.InvalidJson;
            await FailAsync(context, errors, new RequestError(kind, refused.Message)).ConfigureAwait(false);
        }
        catch (Exception problem)
        {
            var error = EngineErrors.Of(problem, isRunning: false);
            if (error.Kind == ErrorKind.EngineFailed)
                LogFault(problem, id);
            await FailAsync(context, errors, error).ConfigureAwait(false);
        }
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
        await WholeBody.SendAsync(context, json => errors.Write(json, error, context.TraceIdentifier, isInStream: false)).ConfigureAwait(false);
    }

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
