using Kvasir.Models.Configs;

namespace Kvasir.Cli.Inspect;

/// <summary>What a model's layers have that Llama's do not, in words.</summary>
internal static class LayerNotes
{
    public static IEnumerable<string> Of(ModelConfig config)
    {
        var layer = config.Layers[0];
        if (config.Norm != NormKind.RootMeanSquare)
            yield return config.Norm == NormKind.MeanAndVariance ? "norms by mean and variance" : "norms by mean and variance, with biases";
        if (layer.Norms != NormPlacement.Before)
            yield return layer.Norms == NormPlacement.After ? "norms behind each branch" : "norms around each branch";
        if (config.Gate == GateKind.GeluTanh)
            yield return "GELU";
        if (!config.HasGate)
            yield return $"{(config.Gate == GateKind.PlainGelu ? "GELU" : "ReLU")} without a gate{(layer.HasFeedForwardBias ? ", with biases" : "")}";
        if (config.UnusedPositions is not null)
            yield return FormattableString.Invariant($"learned positions, {config.ContextTokens} of them");
        if (layer.IsParallel)
            yield return layer.HasTwoNorms ? "both branches side by side, each behind a norm" : "both branches side by side";
        if (layer.QkNorm != QkNorm.None)
            yield return QkNorms(layer.QkNorm);
        if (layer.NormsValues)
            yield return "norms of values, without weights";
        if (config.WindowHeads is { } windowed)
            yield return $"{windowed.KvHeadCount} KV heads of {windowed.Dim} in layers with a window";
        if (config.Layers.Any(static other => other.ValuesAreKeys))
            yield return "values that are keys before their norm in layers that see all";
        if (layer.HasScale)
            yield return "a factor of each layer";
        if (layer.Experts is { HasOwnNorms: true })
            yield return "norms of the experts' own";
        if (layer.HasQkvBias || layer.HasOutputBias)
            yield return $"biases of {Biases(layer)}";
        if (config.ScoreCap is { } cap)
            yield return FormattableString.Invariant($"scores capped at {cap}");
        if (config.QueryTemperature is { } growth)
            yield return FormattableString.Invariant($"queries grow by {growth.Slope} ln(1 + position / {growth.Tokens})");
    }

    private static string Biases(LayerShape layer)
    {
        var all = new List<string>();
        if (layer.QkvBiases.HasFlag(ProjectionBiases.Query))
            all.Add("queries");
        if (layer.QkvBiases.HasFlag(ProjectionBiases.Key))
            all.Add("keys");
        if (layer.QkvBiases.HasFlag(ProjectionBiases.Value))
            all.Add("values");
        if (layer.HasOutputBias)
            all.Add("output");
        return all is [.. var others, var last] && others.Count > 0 ? $"{string.Join(", ", others)} and {last}" : all[0];
    }

    private static string QkNorms(QkNorm norm) => norm switch
    {
        QkNorm.Row => "norms of queries and of keys as a row",
        QkNorm.OwnHeads => "norms of heads, each with its own weights",
        QkNorm.RotatedHeads => "norms of heads once they are rotated",
        _ => "norms of heads",
    };
}
