using Kvasir.Evaluation.Results;

namespace Kvasir.Evaluation.Reporting;

/// <summary>The pictures of a report as SVG files that stand alone, on light paper of their own. Each has its samples' protocols and lengths in it.</summary>
public static class ReportPictures
{
    /// <summary>Mean score against the share of keys read.</summary>
    /// <returns>Null where there is nothing to show; so it is for the others.</returns>
    public static string? Pareto(IReadOnlyList<EvaluatedSample> samples) =>
        Plots(samples, "Quality against keys read", static points => QualityPlots.Of(points, CostFigure.KeysRead));

    /// <summary>The same for settings that lose few points: the difference from dense attention.</summary>
    public static string? ParetoNearDense(IReadOnlyList<EvaluatedSample> samples) =>
        Plots(samples, "Difference from dense attention against keys read", static points => QualityPlots.NearOf(points, CostFigure.KeysRead));

    /// <summary>Mean score against milliseconds per token.</summary>
    public static string? Time(IReadOnlyList<EvaluatedSample> samples) =>
        Plots(samples, "Quality against time", static points => QualityPlots.Of(points, CostFigure.Time));

    /// <summary>Mean score against bytes of cache read per token.</summary>
    public static string? Bytes(IReadOnlyList<EvaluatedSample> samples) =>
        Plots(samples, "Quality against bytes read", static points => QualityPlots.Of(points, CostFigure.Bytes));

    /// <summary>Score by depth and length of the first task and protocol that have depths; a map for each policy.</summary>
    public static string? Needle(IReadOnlyList<EvaluatedSample> samples)
    {
        var (task, protocol, maps) = NeedleMaps.Of(samples).FirstOrDefault();
        return maps is null ? null : SvgSheet.Text($"Score by depth (down) and length (across): {task}, {ProtocolText.Title(protocol)}", maps, [], columns: 4);
    }

    /// <summary>Keys read by layer and policy.</summary>
    public static string? Layers(IReadOnlyList<EvaluatedSample> samples)
    {
        var maps = LayerMaps.Of(EvaluationPoints.OverTasks(samples));
        return maps.Count == 0 ? null : SvgSheet.Text("Keys read by each layer", maps, [], columns: 2);
    }

    private static string? Plots(IReadOnlyList<EvaluatedSample> samples, string title, Func<IReadOnlyList<EvaluationPoint>, IReadOnlyList<Picture>> draw)
    {
        var points = EvaluationPoints.OverTasks(samples);
        var plots = draw(points);
        var protocols = points.Select(static point => point.Protocol).Distinct().Count();
        return plots.Count == 0
            ? null
            : SvgSheet.Text(
                title, plots, [.. SeriesLook.Of(points.Select(static point => point.Family)).Values], Math.Max(protocols, Math.Min(plots.Count, 2)));
    }
}
