using System.Globalization;
using Microsoft.AspNetCore.Http;

namespace Kvasir.Server.Answers;

/// <summary>What the headers of an answer say about it.</summary>
internal static class AnswerHeaders
{
    /// <summary>What is known when the request is accepted.</summary>
    public static void Write(HttpResponse response, ServedAnswer answer)
    {
        var headers = response.Headers;
        headers["x-kvasir-model"] = Printable(answer.Model.Id);
        headers["x-kvasir-attention"] = Printable(AttentionOf(answer));
    }

    /// <summary>What is known when it has ended.</summary>
    public static void WriteFigures(HttpResponse response, ServedAnswer answer) =>
        response.Headers["x-kvasir-cached-tokens"] = answer.CachedTokens.ToString(CultureInfo.InvariantCulture);

    /// <summary>The policy that is really used.</summary>
    public static string AttentionOf(ServedAnswer answer) => (answer.Request.Options.Attention ?? answer.Model.Engine.Policy).Name;

    private static string Printable(string text) => string.Concat(text.Select(static c => c is >= ' ' and < (char)127 ? c : '?'));
}
