using Kvasir.Evaluation.Results;

namespace Kvasir.Evaluation.Reporting;

/// <summary>What quality is bought with.</summary>
/// <param name="Title">With its unit.</param>
/// <param name="Of">Null where it was not measured.</param>
/// <param name="IsRelative">Whether figures of different lengths belong on one axis.</param>
internal sealed record CostFigure(string Title, Func<EvaluationPoint, double?> Of, Func<double, string> Text, bool IsRelative)
{
    private const double MegaBytes = 1e6;

    public static readonly CostFigure KeysRead = new("share of keys read", static point => point.KeysRead, ShareText.Text, IsRelative: true);

    public static readonly CostFigure Time = new("ms per token", static point => point.MsPerToken, FigureText.Number, IsRelative: false);

    public static readonly CostFigure Bytes = new(
        "MB of cache read per token", static point => point.BytesPerToken / MegaBytes, FigureText.Number, IsRelative: false);
}
