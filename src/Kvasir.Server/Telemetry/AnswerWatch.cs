using Kvasir.Server.Answers;
using Kvasir.Server.Errors;
using Microsoft.AspNetCore.Http;

namespace Kvasir.Server.Telemetry;

/// <summary>What the way of an answer tells of it while it is under way.</summary>
internal sealed class AnswerWatch(RequestMeter meter, TimeProvider clock)
{
    public TimeProvider Clock => clock;

    /// <summary>Its sequences are about to be submitted.</summary>
    public static void Submit(HttpContext context, ServedAnswer answer) => RequestRecord.Of(context).Submit(answer);

    /// <summary>An error ends it.</summary>
    public static void Fail(HttpContext context, RequestError error) => RequestRecord.Of(context).Error = error;

    /// <summary>Pieces of a choice were read.</summary>
    public void Count(ServedAnswer answer, Choice choice, int pieces)
    {
        if (pieces > 0)
            meter.CountPiece(answer.Model.Id, choice.CountNew(), choice.MarkPiece(clock));
    }
}
