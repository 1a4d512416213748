using System.Globalization;
using System.Text.Json.Serialization;
using Kvasir.Cli.Shared.Flags;

namespace Kvasir.Cli.Shared;

/// <summary>How far sparse attention was from dense attention. Errors are of attention outputs, relative, for each query head.</summary>
/// <param name="Share">Of the heads that was asked for.</param>
/// <param name="AuditedHeads">Audited (step, layer, KV head); 0 where nothing was attended sparsely.</param>
/// <param name="P50Error">Within 2.5 % of the value, as is <paramref name="P99Error"/>.</param>
/// <param name="WorstLayer">The one with the largest mean error.</param>
/// <param name="MassKept">The mean share of dense attention's weight on the rows that a query head read.</param>
/// <param name="KeysReadShare">Rows read from memory, of those in sight.</param>
/// <param name="KeysUsedShare">Rows that a query head used: less, where the heads of a group want different ones.</param>
/// <param name="AuditMs">What the audit cost, in milliseconds of the answer's time.</param>
internal sealed record AuditReport(
    double Share, long AuditedHeads, double MeanError, double P50Error, double P99Error,
    int? WorstLayer, double WorstLayerError, double MassKept, double KeysReadShare,
    double KeysUsedShare, double AuditMs)
{
    /// <summary>Whether there is anything to say.</summary>
    [JsonIgnore]
    public bool IsEmpty => AuditedHeads == 0;

    public static AuditReport Of(AuditFigures figures, int threads) => new(
        figures.Share, figures.HeadCount, Rounded(figures.MeanError), Rounded(figures.P50Error),
        Rounded(figures.P99Error), figures.WorstLayer, Rounded(figures.WorstLayerError),
        Rounded(figures.MassKept), Rounded(figures.KeysReadShare), Rounded(figures.KeysUsedShare), Rounded(figures.ComputeMs / threads));

    /// <summary>For people.</summary>
    public string Line() => IsEmpty
        ? $"audit of {Percent(Share)}: no head left anything out"
        : $"audit of {SizeText.Count(AuditedHeads)} heads: error mean {Percent(MeanError)}, p50 {Percent(P50Error)}, p99 {Percent(P99Error)}, "
            + $"worst layer {WorstLayer} {Percent(WorstLayerError)}"
            + $" | mass kept {Percent(MassKept)} | keys read {Percent(KeysReadShare)}, "
            + $"by a head {Percent(KeysUsedShare)} | {AuditMs.ToString("0.#", CultureInfo.InvariantCulture)} ms";

    // JSON has no number for what is none, and such an error says the same as a huge one.
    private static double Rounded(double value) => double.IsFinite(value) ? Math.Round(value, 6) : double.MaxValue;

    private static string Percent(double share) => $"{(share * 100).ToString(share < 0.0995 ? "0.##" : "0.#", CultureInfo.InvariantCulture)}%";
}
