using System.Text.Json;
using System.Text.Json.Serialization;
using Kvasir.Cli.Shared;
using Kvasir.Tiers;

namespace Kvasir.Cli.Cache;

/// <summary>What <c>kvasir cache list --json</c> writes.</summary>
/// <param name="Bytes">Of the disk.</param>
/// <param name="Prefixes">What a folder has; empty for a file.</param>
/// <param name="File">What a file of <c>--save-kv</c> has; null for a folder.</param>
internal sealed record CacheReport(string Path, long Bytes, CachedPrefixes[] Prefixes, SavedFile? File);

/// <param name="Origin">Model and format.</param>
/// <param name="Chains">Ways on which prompts part.</param>
/// <param name="Tokens">Each counted once.</param>
internal sealed record CachedPrefixes(string Origin, int Chains, long Tokens, long Bytes, DateTimeOffset UsedAt);

/// <summary>What <c>kvasir cache verify --json</c> writes.</summary>
/// <param name="Whole">Chunks that are what was written, or 1 for a file.</param>
/// <param name="Damaged">Those that are not.</param>
/// <param name="Problem">Of a file; null for none.</param>
internal sealed record CacheCheck(string Path, int Whole, int Damaged, string? Problem);

/// <summary>What <c>kvasir cache clear --json</c> writes.</summary>
/// <param name="Bytes">That the disk has back.</param>
internal sealed record ClearedCache(string Path, long Bytes);

/// <summary>How these become JSON.</summary>
[JsonSerializable(typeof(CacheReport))]
[JsonSerializable(typeof(CacheCheck))]
[JsonSerializable(typeof(ClearedCache))]
internal sealed partial class CacheJson : JsonSerializerContext
{
    private static readonly CacheJson Written = new(ReportJson.Style());

    public static string Text(CacheReport report) => JsonSerializer.Serialize(report, Written.CacheReport);

    public static string Text(CacheCheck check) => JsonSerializer.Serialize(check, Written.CacheCheck);

    public static string Text(ClearedCache cleared) => JsonSerializer.Serialize(cleared, Written.ClearedCache);
}
