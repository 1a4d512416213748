using System.Globalization;
using Kvasir.Calls;
using Microsoft.AspNetCore.Http;

namespace Kvasir.Server.Answers;

/// <summary>What the headers of an answer say about it.</summary>
internal static class AnswerHeaders
{
    private const int MostIgnoredChars = 512;

    /// <summary>What is known when the request is accepted.</summary>
    public static void Write(HttpResponse response, ServedAnswer answer)
    {
        // Behind the keep-alives of a load they have gone out.
        if (response.HasStarted)
            return;
        var headers = response.Headers;
        headers["x-kvasir-model"] = Printable(answer.Model.Id);
        headers["x-kvasir-attention"] = Printable(AttentionOf(answer));
        if (answer.Started.IsCompleted)
            WriteFigures(response, answer);
        var constraint = answer.Choices[0].Sequence.Options.Constraint;
        if ((constraint is ReasoningLimit limit ? limit.Inner : constraint) is JsonConstraint { IgnoredKeywords: [_, ..] keywords })
            headers["x-kvasir-ignored"] = WithKeywords(headers["x-kvasir-ignored"].ToString(), keywords);
    }

    /// <summary>Says that a request wanted to go before what its key allows.</summary>
    public static void WarnOfPriority(HttpResponse response, AnswerRequest request)
    {
        var given = request.Options.Priority;
        if (request.AskedPriority is { } asked && asked != given && !response.HasStarted)
            response.Headers["x-kvasir-warning"] = string.Create(
                CultureInfo.InvariantCulture, $"priority {asked} is {given} here, the least that this key may ask for");
    }

    /// <summary>What is known when it has ended.</summary>
    public static void WriteFigures(HttpResponse response, ServedAnswer answer)
    {
        if (!answer.HidesCacheUse)
            response.Headers["x-kvasir-cached-tokens"] = answer.ToldCachedTokens.ToString(CultureInfo.InvariantCulture);
    }

    /// <summary>The policy that is really used.</summary>
    public static string AttentionOf(ServedAnswer answer) => (answer.Request.Options.Attention ?? answer.Model.Engine.Policy).Name;

    // Fields of the request, then keywords of its schemas by JSON pointer; of more than fit, the first.
    private static string WithKeywords(string fields, IReadOnlyList<string> keywords)
    {
        foreach (var keyword in keywords)
        {
            var more = fields.Length == 0 ? Printable(keyword) : $"{fields},{Printable(keyword)}";
            if (more.Length > MostIgnoredChars)
                break;
            fields = more;
        }

        return fields;
    }

    private static string Printable(string text) => string.Concat(text.Select(static c => c is >= ' ' and < (char)127 ? c : '?'));
}
