using System.Text.Json;
using System.Text.Json.Serialization;
using Kvasir.Attention;
using Kvasir.Cache;
using Kvasir.Cli.Shared;
using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Cli.Policies;

/// <summary>What <c>kvasir policies --json</c> writes.</summary>
/// <param name="Formats">How rows are stored, whatever policy reads them.</param>
internal sealed record PoliciesReport(PolicyReport[] Policies, FormatReport[] Formats);

/// <param name="BytesPerToken">Of a KV head with <see cref="PolicyReport.Dim"/> elements, keys and values together.</param>
internal sealed record FormatReport(string Name, string Summary, double BytesPerToken)
{
    public static FormatReport Of(KvFormat format) => new(
        format.Name, format.Help, (double)new PageLayout(format, PolicyReport.Dim, PolicyReport.Dim, PagePool.PageTokens).Bytes / PagePool.PageTokens);
}

/// <param name="Effect">What it does to rows: select, drop, merge or store.</param>
/// <param name="KeepEverything">What to type for results equal to dense attention.</param>
/// <param name="Needs">What the policy needs or learns from beside keys and queries, if anything.</param>
/// <param name="Budgets">What to type for a curve from few keys to many; empty where all are read.</param>
/// <param name="DropsBesideOthers">Whether it can stand behind a plus, and drop rows from among which another policy selects.</param>
/// <param name="IndexBytesPerToken">Of a KV head with <see cref="Dim"/> elements, at the default options.</param>
internal sealed record PolicyReport(
    string Name, string Effect, string Summary, string Paper, string KeepEverything, string? Needs, string[] Budgets, bool DropsBesideOthers,
    double IndexBytesPerToken, PolicyOptionReport[] Options)
{
    /// <summary>Elements of a head that the bytes are told for.</summary>
    public const int Dim = 128;

    public static PolicyReport Of(PolicyEntry entry)
    {
        var policy = new PolicySpec(entry).Create();
        var needs = entry.Needs
            ?? (policy.ObservesDecode ? "attention weights of every step"
                : policy.ObservedPromptRows > 0 ? $"attention weights of the last {policy.ObservedPromptRows} prompt tokens"
                : null);
        var options = entry.Options.Select(static option => new PolicyOptionReport(option.Name, option.Default, option.Range, option.Summary));
        var budgets = entry.Budgets.Select(budget => $"{entry.Name}:{budget}");
        var drops = policy.DropsRows && policy.KeptAt(0, (0, 1)) is not null;
        return new PolicyReport(
            entry.Name, ReportJson.Name(entry.Effect), entry.Summary, entry.Paper, entry.KeepEverything, needs, [.. budgets], drops,
            policy.IndexBytesPerToken(Dim), [.. options]);
    }
}

internal sealed record PolicyOptionReport(string Name, string Default, string Range, string Summary);

/// <summary>How the catalogue becomes JSON.</summary>
[JsonSerializable(typeof(PoliciesReport))]
internal sealed partial class PoliciesJson : JsonSerializerContext
{
    private static readonly PoliciesJson Written = new(ReportJson.Style());

    public static string Text(PoliciesReport report) => JsonSerializer.Serialize(report, Written.PoliciesReport);
}
