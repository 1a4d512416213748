using System.Text.Json;
using System.Text.Json.Serialization;
using Kvasir.Cli.Shared;

namespace Kvasir.Cli.Models;

/// <summary>How lists of models become JSON.</summary>
[JsonSerializable(typeof(ModelsReport))]
[JsonSerializable(typeof(ProcessesReport))]
internal sealed partial class ModelsJson : JsonSerializerContext
{
    private static readonly ModelsJson Written = new(ReportJson.Style());

    public static string Text(ModelsReport report) => JsonSerializer.Serialize(report, Written.ModelsReport);

    public static string Text(ProcessesReport report) => JsonSerializer.Serialize(report, Written.ProcessesReport);
}

/// <summary>What <c>kvasir list --json</c> writes.</summary>
internal sealed record ModelsReport(ListedModel[] Models);

/// <param name="Path">Of this machine; null for a server's.</param>
/// <param name="Status">At a server; null for a model of this machine.</param>
internal sealed record ListedModel(string Name, long Bytes, string? Path, string? Status)
{
    /// <summary>What share is loaded of one that a server loads; else null.</summary>
    public double? Progress { get; init; }
}

/// <summary>What <c>kvasir ps --json</c> writes.</summary>
internal sealed record ProcessesReport(RunningModel[] Models);

/// <param name="Bytes">Of the weights.</param>
/// <param name="ContextTokens">The most of a sequence.</param>
/// <param name="KvBytes">In use, with what is kept for prompts that begin alike.</param>
/// <param name="KvLimitBytes">What they may come to.</param>
/// <param name="Policy">How it attends where a request does not say.</param>
/// <param name="Until">When it leaves the memory; null for never.</param>
internal sealed record RunningModel(string Name, long Bytes, int ContextTokens, long KvBytes, long KvLimitBytes, string Policy, int Running, int Waiting,
    DateTimeOffset? Until);
