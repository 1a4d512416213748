using Kvasir.Evaluation.Results;

namespace Kvasir.Evaluation.Reporting;

/// <summary>What quality is bought with.</summary>
/// <param name="Title">With its unit.</param>
/// <param name="Of">Null where it was not measured.</param>
/// <param name="IsRelative">Whether figures of different lengths belong on one axis.</param>
internal sealed record Cost(string Title, Func<EvaluationPoint, double?> Of, Func<double, string> Text, bool IsRelative)
{
    private const double MegaBytes = 1e6;

    public static readonly Cost KeysRead = new("share of keys read", static point => point.KeysRead, Share.Text, IsRelative: true);

    public static readonly Cost Time = new("ms per token", static point => point.MsPerToken, FigureText.Number, IsRelative: false);

    public static readonly Cost Bytes = new("MB of cache read per token", static point => point.BytesPerToken / MegaBytes, FigureText.Number, IsRelative: false);
}
