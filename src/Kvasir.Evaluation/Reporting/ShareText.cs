using System.Globalization;

namespace Kvasir.Evaluation.Reporting;

/// <summary>Shares as people read them.</summary>
internal static class ShareText
{
    /// <summary>As 0.05%, 2.1%, 97.3%, 100%: three digits or so.</summary>
    public static string Text(double value) => !double.IsFinite(value) || value > 1e6
        ? "not finite"
        : $"{(value * 100).ToString(value < 0.00995 ? "0.###" : value < 0.0995 ? "0.##" : "0.#", CultureInfo.InvariantCulture)}%";
}
