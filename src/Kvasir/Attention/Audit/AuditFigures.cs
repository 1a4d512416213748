namespace Kvasir;

/// <summary>
/// How far a sequence's sparse attention was from dense attention, by a sample of its (step, layer, KV head) that was computed both ways.
/// Errors are of attention outputs, |sparse - dense| / |dense| for each query head.
/// </summary>
public sealed record AuditFigures
{
    /// <summary>Of the heads that was asked for.</summary>
    public required double Share { get; init; }

    /// <summary>Audited (step, layer, KV head). 0 where nothing was attended sparsely, and then there is no error.</summary>
    public required long HeadCount { get; init; }

    public required double MeanError { get; init; }

    /// <summary>Half of the errors are below; within 2.5 % of the value, and 0 for one below 1e-6.</summary>
    public required double P50Error { get; init; }

    /// <summary>As <see cref="P50Error"/>, for 99 of 100.</summary>
    public required double P99Error { get; init; }

    /// <summary>The largest of all.</summary>
    public required double MaxError { get; init; }

    /// <summary>The layer, from 0, with the largest mean error; null where nothing was audited.</summary>
    public required int? WorstLayer { get; init; }

    /// <summary>Its mean error.</summary>
    public required double WorstLayerError { get; init; }

    /// <summary>The mean share of dense attention's weight on the rows that a query head read.</summary>
    public required double MassKept { get; init; }

    /// <summary>The same share, of which 1 in 20 query heads had no more; within 0.001 below it.</summary>
    public required double P05MassKept { get; init; }

    /// <summary>Rows that were read from memory, of those in sight of the audited heads: query heads that share a KV head share them.</summary>
    public required double KeysReadShare { get; init; }

    /// <summary>Rows that a query head used, of those in sight: less than were read where the heads of a group want different ones.</summary>
    public required double KeysUsedShare { get; init; }

    /// <summary>What auditing cost, in milliseconds of all workers together.</summary>
    public required double ComputeMs { get; init; }
}
