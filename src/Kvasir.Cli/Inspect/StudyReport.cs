using Kvasir.Cli.Shared;
using Kvasir.Measurement;

namespace Kvasir.Cli.Inspect;

/// <summary>What <c>inspect --attention --json</c> writes. Figures are means over the queries.</summary>
/// <param name="PromptTokens">Of the prompt, of whose last tokens <paramref name="Queries"/> are attended by each policy.</param>
/// <param name="Kv">How keys and values were stored.</param>
/// <param name="KeyShares">Shares of the keys in sight, for <paramref name="MassOfBestKeys"/>.</param>
/// <param name="MassOfBestKeys">For each layer: the attention mass that these shares hold when the best keys are taken; no policy keeps more.</param>
internal sealed record StudyReport(
    ModelReport Model, int PromptTokens, int Queries, string Kv, int Threads, int Layers,
    int Heads, int KvHeads, PolicyStudyReport[] Policies, double[] KeyShares,
    double[][] MassOfBestKeys)
{
    public static StudyReport Of(Engine engine, AttentionStudy study)
    {
        var config = engine.Model.Config;
        return new StudyReport(
            new ModelReport(config.Name, engine.Model.Path, config.Architecture), study.Tokens, study.QueryCount, engine.Kv.Name, engine.ThreadCount,
            config.LayerCount, config.HeadCount, config.KvHeadCount,
            [.. study.Policies.Select(PolicyStudyReport.Of)],
            Rounded(study.Curves.Shares),
            [.. Enumerable.Range(0, config.LayerCount).Select(layer => Rounded(study.Curves.Layer(layer)))]);
    }

    internal static double Rounded(double value) => Math.Round(value, 6);

    internal static double[] Rounded(ReadOnlySpan<double> values) => Array.ConvertAll(values.ToArray(), Rounded);
}

/// <param name="KeysReadShare">Rows read from memory, of those in sight: all query heads of a KV head together.</param>
/// <param name="KeysUsedShare">Rows that a query head used.</param>
/// <param name="MassKept">Dense attention's weight on the rows that a query head used.</param>
/// <param name="Error">|output - dense output| / |dense output| of a query head.</param>
internal sealed record PolicyStudyReport(string Policy, double KeysReadShare, double KeysUsedShare, double MassKept, double Error, LayerStudyReport[] Layers)
{
    public static PolicyStudyReport Of(PolicyStudy study) => new(
        study.Policy, StudyReport.Rounded(study.KeysRead.Mean), StudyReport.Rounded(study.KeysUsed.Mean),
        StudyReport.Rounded(study.MassKept.Mean), StudyReport.Rounded(study.Error.Mean),
        [.. Enumerable.Range(0, study.Error.LayerCount).Select(layer => LayerStudyReport.Of(study, layer))]);
}

/// <param name="Heads">Of each query head, in order.</param>
internal sealed record LayerStudyReport(int Layer, double KeysReadShare, double KeysUsedShare, double MassKept, double Error, HeadFiguresReport Heads)
{
    public static LayerStudyReport Of(PolicyStudy study, int layer) => new(
        layer, StudyReport.Rounded(study.KeysRead.LayerMean(layer)),
        StudyReport.Rounded(study.KeysUsed.LayerMean(layer)), StudyReport.Rounded(study.MassKept.LayerMean(layer)),
        StudyReport.Rounded(study.Error.LayerMean(layer)),
        new HeadFiguresReport(
            StudyReport.Rounded(study.KeysUsed.Layer(layer)), StudyReport.Rounded(study.MassKept.Layer(layer)), StudyReport.Rounded(study.Error.Layer(layer))));
}

internal sealed record HeadFiguresReport(double[] KeysUsedShare, double[] MassKept, double[] Error);
