using Kvasir.Server.Errors;
using Kvasir.Server.Framing;
using Microsoft.AspNetCore.Http;

namespace Kvasir.Server.Answers;

/// <summary>An answer that is not streamed: one body at the end, whose status is known by then.</summary>
internal sealed class WholeWriter(HttpContext context, AnswerRoute route, ServedAnswer answer) : AnswerWriter(answer)
{
    public override TimeSpan? Silence => null;

    public override Task BeginAsync() => Task.CompletedTask;

    public override Task ProgressAsync() => Task.CompletedTask;

    public override Task PieceAsync(Choice choice, AnswerPiece piece) => Task.CompletedTask;

    public override Task EndAsync(Choice choice) => Task.CompletedTask;

    public override Task KeepAliveAsync() => Task.CompletedTask;

    public override Task FailAsync(RequestError error) => throw new RequestException(error);

    public override Task FinishAsync()
    {
        AnswerHeaders.WriteFigures(context.Response, Answer);
        return WholeBody.SendAsync(context, json => route.WriteWhole(json, Answer));
    }
}
