using Kvasir.Evaluation.Results;

namespace Kvasir.Evaluation.Reporting;

/// <summary>Which share of the keys each layer read under each policy: a map for each protocol and length, all tasks together.</summary>
internal static class LayerMaps
{
    private const double LeastShare = 1e-4;

    /// <param name="points">All tasks together.</param>
    public static IReadOnlyList<Picture> Of(IReadOnlyList<EvaluationPoint> points)
    {
        var known = points.Where(static point => point.LayerKeysRead.Any(static share => share is not null)).ToArray();
        if (known.Length == 0)
            return [];
        var layers = known.Max(static point => point.LayerKeysRead.Count);
        var least = known.SelectMany(static point => point.LayerKeysRead).Min() ?? 1;
        var scale = new ColourScale(Math.Clamp(Axis.Logarithmic([least]).Least, LeastShare, 0.5), 1, IsLog: true, IsWarm: false);
        return
        [
            .. known.GroupBy(static point => (point.Context, point.Protocol)).OrderBy(static group => group.Key.Context)
                .ThenBy(static group => group.Key.Protocol).Select(group => new HeatMap
            {
                Title = $"{ProtocolText.Title(group.Key.Protocol)}, {FigureText.Tokens(group.Key.Context)} tokens",
                Values =
                [
                    .. group.Select(point =>
                        Enumerable.Range(0, layers).Select(layer => layer < point.LayerKeysRead.Count ? point.LayerKeysRead[layer] : null).ToArray()),
                ],
                Scale = scale,
                Kinds = ("policy", "layer"),
                RowNames = [.. group.Select(static point => point.Policy)],
                ColumnNames = HeatMap.Numbers(layers),
                MostWidth = 40,
            }.ToPicture()),
        ];
    }
}
