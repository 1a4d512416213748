using Kvasir.Evaluation.Results;

namespace Kvasir.Evaluation.Reporting;

/// <summary>Where in a context of what length a policy finds the needle: a map for each task, protocol and policy.</summary>
internal static class NeedleMaps
{
    private const int MostRows = 21;
    private const int Bands = 10;
    private static readonly ColourScale Scores = new(0, 1, IsLog: false, IsWarm: false);

    public static IEnumerable<(string Task, Protocol Protocol, IReadOnlyList<Picture> Maps)> Of(IReadOnlyList<EvaluatedSample> samples) =>
        from sample in samples
        where sample.Depth is { } depth && double.IsFinite(depth) && double.IsFinite(sample.Score)
        group sample by (sample.Task, sample.Protocol) into needle
        select (needle.Key.Task, needle.Key.Protocol, Maps([.. needle]));

    private static IReadOnlyList<Picture> Maps(EvaluatedSample[] samples)
    {
        // Depths that were drawn at random are put in bands.
        var isBanded = samples.Select(static sample => sample.Depth).Distinct().Count() > MostRows;
        double Row(EvaluatedSample sample) => isBanded ? Math.Min(Math.Floor(sample.Depth!.Value * Bands), Bands - 1) / Bands : sample.Depth!.Value;
        var rows = samples.Select(Row).Distinct().Order().ToArray();
        var contexts = samples.Select(static sample => sample.Context).Distinct().Order().ToArray();
        return
        [
            .. samples.GroupBy(static sample => sample.Policy).Select(policy => new HeatMap
            {
                Title = policy.Key,
                Values =
                [
                    .. rows.Select(row => contexts.Select(context => Mean(policy.Where(sample => Row(sample) == row && sample.Context == context))).ToArray()),
                ],
                Scale = Scores,
                Kinds = ("depth", "tokens"),
                RowNames = [.. rows.Select(row => isBanded ? $"{ShareText.Text(row)}–{ShareText.Text(row + (1.0 / Bands))}" : ShareText.Text(row))],
                ColumnNames = [.. contexts.Select(FigureText.Tokens)],
                MostWidth = 48,
            }.ToPicture()),
        ];
    }

    private static double? Mean(IEnumerable<EvaluatedSample> samples) => samples.Select(static sample => (double?)sample.Score).Average();
}
