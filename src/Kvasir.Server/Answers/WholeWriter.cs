using Kvasir.Server.Errors;
using Kvasir.Server.Framing;
using Microsoft.AspNetCore.Http;

namespace Kvasir.Server.Answers;

/// <summary>
/// An answer that is not streamed: one body at the end, whose status is known by then. Where the server is told to keep such answers alive too, the status goes
/// out before and blanks follow it, which JSON allows before a body; an error then has status 200 as well.
/// </summary>
/// <param name="keepAlive">The longest silence; null for any.</param>
internal sealed class WholeWriter(HttpContext context, AnswerRoute route, ServedAnswer answer, TimeSpan? keepAlive, TimeProvider clock) : AnswerWriter(answer)
{
    private long _lastWrite = clock.GetTimestamp();

    public override TimeSpan? UntilKeepAlive => keepAlive - clock.GetElapsedTime(_lastWrite);

    public override Task BeginAsync() => Task.CompletedTask;

    public override Task ProgressAsync() => Task.CompletedTask;

    public override Task PieceAsync(Choice choice, AnswerPiece piece) => Task.CompletedTask;

    public override Task EndAsync(Choice choice) => Task.CompletedTask;

    public override async Task KeepAliveAsync()
    {
        await WholeBody.KeepAliveAsync(context).ConfigureAwait(false);
        _lastWrite = clock.GetTimestamp();
    }

    public override Task FailAsync(RequestError error) => context.Response.HasStarted
        ? WholeBody.SendAsync(context, json => route.Errors.Write(json, error, context.TraceIdentifier, isInStream: true))
        : throw new RequestException(error);

    public override Task FinishAsync()
    {
        if (!context.Response.HasStarted)
            AnswerHeaders.WriteFigures(context.Response, Answer);
        return WholeBody.SendAsync(context, json => route.WriteWhole(json, Answer));
    }
}
