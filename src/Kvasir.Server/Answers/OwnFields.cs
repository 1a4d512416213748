using System.Globalization;
using Kvasir.Attention;
using Kvasir.Attention.Policies;
using Kvasir.Server.Reading;

namespace Kvasir.Server.Answers;

/// <summary>What requests of every dialect say in the same words: whose turn it is, until when, whose rows they find, and how to attend.</summary>
internal static class OwnFields
{
    private const int MostPriority = 100;
    private const int MostSaltBytes = 256;
    private const long MostSeconds = 24 * 24 * 3600;
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
        options = options with { CacheSalt = body.Find("cache_salt")?.ShortText(MostSaltBytes), Keep = [.. options.Keep, .. Retention(body)] };
        if (body.Find("kvasir")?.Object() is not { } own)
            return options;
        options = options with
        {
            Attention = own.Find("attention") is { } attention ? Policy(attention) : options.Attention,
            AuditShare = own.Find("audit")?.Number(0, 1),
            Cache = own.Find("cache")?.Word("on", "off") != "off",
            Keep = own.Find("keep_s") is { } keep ? [.. options.Keep, KeptPrefix.Whole(TimeSpan.FromSeconds(keep.Whole(1, MostSeconds)))] : options.Keep,
            Deadline = own.Find("deadline_ms") is { } ms ? TimeSpan.FromMilliseconds(ms.Whole(1, (long)LongestDeadline.TotalMilliseconds)) : null,
        };
        own.IgnoreRest();
        return options;
    }

    // What OpenAI's clients say of it, in one of two ways.
    private static IEnumerable<KeptPrefix> Retention(RequestFields body)
    {
        if (body.Find("prompt_cache_retention")?.Word("in_memory", "in-memory", "24h") == "24h")
            yield return KeptPrefix.Whole(TimeSpan.FromHours(24));
        if (body.Find("prompt_cache_options")?.Object() is not { } cache)
            yield break;
        if (cache.Find("ttl") is { } ttl)
            yield return KeptPrefix.Whole(Lifetime(ttl));
        cache.IgnoreRest();
    }

    // As 90s, 5m or 24h.
    private static TimeSpan Lifetime(RequestValue ttl)
    {
        var text = ttl.Text();
        var seconds = text.Length == 0 ? 0 : text[^1] switch { 's' => 1, 'm' => 60, 'h' => 3600, _ => 0 };
        if (seconds > 0 && int.TryParse(text.AsSpan(..^1), NumberStyles.None, CultureInfo.InvariantCulture, out var count)
            && count >= 1 && (long)count * seconds <= MostSeconds)
            return TimeSpan.FromSeconds((long)count * seconds);
        throw ttl.Refused($"{ttl.Path} is '{RequestValue.Short(text)}'; 1s to {MostSeconds / 3600}h are allowed, in s, m or h");
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
