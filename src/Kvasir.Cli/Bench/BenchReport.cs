using System.Text.Json;
using System.Text.Json.Serialization;
using Kvasir.Cli.Shared;

namespace Kvasir.Cli.Bench;

/// <summary>What <c>bench --json</c> writes.</summary>
/// <param name="Partial">True where an interrupt ended the measuring; what was measured until then is whole.</param>
/// <param name="Results">A row for each case.</param>
internal sealed record BenchReport(MachineReport Machine, bool? Partial, BenchRow[] Results);

/// <summary>One case. What was not asked for, or does not apply, is null.</summary>
internal sealed record BenchRow
{
    public required string Model { get; init; }

    /// <summary>How matrices are stored: the name of the mix of a synthetic model, otherwise the types in its layers, most bytes first.</summary>
    public required string Weights { get; init; }

    public required string Kv { get; init; }

    public required int Threads { get; init; }

    /// <summary>Sequences that decode together. A prefill is always one sequence.</summary>
    public required int Batch { get; init; }

    /// <summary>Tokens in the cache before what is measured.</summary>
    public required int Depth { get; init; }

    public required string Attention { get; init; }

    /// <summary>Which keys and values left memory first for <c>--kv-dir</c>; null without it.</summary>
    public string? KvEvict { get; init; }

    /// <summary>How alike queries of one step and the next were made; null where they were not.</summary>
    public double? Reuse { get; init; }

    /// <summary>How near what was foretold of these queries came to what was new in them; null where they were not made alike.</summary>
    public double? Foresight { get; init; }

    /// <summary>How the cache came to the depth: none, prefill or random.</summary>
    public required string Fill { get; init; }

    /// <summary>Layers computed, where they are fewer than the shape's own.</summary>
    public int? Layers { get; init; }

    /// <summary>Timed runs; figures without a suffix are their medians.</summary>
    public required int Repeat { get; init; }

    /// <summary>Prompt tokens computed on top of the depth in a run.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public int? PrefillTokens { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public double? PrefillTokensPerSecond { get; init; }

    public double? PrefillTokensPerSecondMin { get; init; }

    public double? PrefillTokensPerSecondMax { get; init; }

    /// <summary>Tokens that each sequence generates in a run.</summary>
    public int? DecodeTokens { get; init; }

    /// <summary>Of all sequences together.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public double? DecodeTokensPerSecond { get; init; }

    public double? DecodeTokensPerSecondMin { get; init; }

    public double? DecodeTokensPerSecondMax { get; init; }

    /// <summary>Of a decode step, as are the following.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public double? LinearMsPerStep { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public double? AttentionMsPerLayer { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public double? SelectionMsPerLayer { get; init; }

    /// <summary>In auditing, where <c>--audit</c> asked.</summary>
    public double? AuditMsPerLayer { get; init; }

    /// <summary>Keys read of those in sight; 1 for dense attention.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public double? KeysReadShare { get; init; }

    /// <summary>What <c>--kv-dir</c> was read and written while the steps ran, with all runs together; null without it.</summary>
    public KvPagesReport? KvPages { get; init; }

    /// <summary>For each layer what a decode step read there.</summary>
    public BenchLayer[]? PerLayer { get; init; }

    /// <summary>Bytes that a decode step has to read: weights, and the keys and values that the policy chose; not its index.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public long? BytesPerStep { get; init; }

    /// <summary>Memory bandwidth of as many threads, measured before and after the case.</summary>
    public double? BandwidthBytesPerSecond { get; init; }

    /// <summary>
    /// The time that reading <see cref="BytesPerStep"/> takes at that bandwidth, as a share of the step's time: 1 is as fast as memory allows.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public double? FloorShare { get; init; }

    /// <summary>Of all matrices and vectors.</summary>
    public required long WeightBytes { get; init; }

    /// <summary>Of the matrices that were copied into the order of this machine's kernels, which stand in memory instead of the stored ones.</summary>
    public required long PackedBytes { get; init; }

    public long KvBytesPerToken { get; init; }

    /// <summary>Of activations, for a batch of as many rows as the engine computes at once.</summary>
    public long ScratchBytes { get; init; }

    /// <summary>The most memory resident during the case: weights, cache, scratch and the runtime.</summary>
    public required long PeakBytes { get; init; }
}

/// <summary>What a decode step read in one layer, on average over the timed runs.</summary>
/// <param name="KeysReadShare">Keys read of those in sight.</param>
/// <param name="BlocksRead">Blocks read for a sequence in a KV head; null under a policy that chooses none.</param>
/// <param name="CutShare">Of heads and steps, those that stopped at the most that they may read, as with <c>psa:most</c>; null for none.</param>
internal sealed record BenchLayer(double KeysReadShare, double? BlocksRead, double? CutShare);

/// <summary>How measurements become JSON.</summary>
[JsonSerializable(typeof(BenchReport))]
internal sealed partial class BenchJson : JsonSerializerContext
{
    private static readonly BenchJson Written = new(ReportJson.Style());

    public static string Text(BenchReport report) => JsonSerializer.Serialize(report, Written.BenchReport);
}
