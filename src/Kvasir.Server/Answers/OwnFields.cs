using Kvasir.Attention;
using Kvasir.Attention.Policies;
using Kvasir.Server.Reading;

namespace Kvasir.Server.Answers;

/// <summary>What requests of every dialect say in the same words: whose turn it is, until when, whose rows they find, and how to attend.</summary>
internal static class OwnFields
{
    private const int MostPriority = 100;
    private const int MostSaltBytes = 256;
    private static readonly TimeSpan LongestDeadline = TimeSpan.FromDays(24);

    /// <summary>Adds them to what the dialect has read.</summary>
    /// <exception cref="Errors.RequestException">One is of a wrong type, or out of range.</exception>
    public static AnswerRequest Read(RequestFields body, AnswerRequest request)
    {
        var priority = Priority(body);
        return request with { AskedPriority = priority, Options = Options(body, request.Options) with { Priority = priority ?? 0 } };
    }

    /// <summary>Those that are no question of turns.</summary>
    public static GenerationOptions Options(RequestFields body, GenerationOptions options)
    {
        options = options with { CacheSalt = body.Find("cache_salt")?.ShortText(MostSaltBytes) };
        if (body.Find("kvasir")?.Object() is not { } own)
            return options;
        options = options with
        {
            Attention = own.Find("attention") is { } attention ? Policy(attention) : options.Attention,
            AuditShare = own.Find("audit")?.Number(0, 1),
            Cache = own.Find("cache")?.Word("on", "off") != "off",
            Deadline = own.Find("deadline_ms") is { } ms ? TimeSpan.FromMilliseconds(ms.Whole(1, (long)LongestDeadline.TotalMilliseconds)) : null,
        };
        own.IgnoreRest();
        return options;
    }

    // A number, or what OpenAI sells as tiers.
    private static int? Priority(RequestFields body)
    {
        var (number, tier) = ((int?)body.Find("priority")?.Whole(-MostPriority, MostPriority), body.Find("service_tier"));
        var worth = tier is { IsText: true } ? tier.Text() switch { "priority" or "fast" => -10, "flex" => 10, _ => (int?)null } : null;
        if (tier is not null && worth is null)
            tier.Ignore();
        return number ?? worth;
    }

    private static AttentionPolicy Policy(RequestValue attention)
    {
        try
        {
            return PolicyCatalog.Parse(attention.Text());
        }
        catch (KvasirException refusal)
        {
            throw attention.Refused($"{attention.Path}: {refusal.Message}");
        }
    }
}
