using Kvasir.Attention;

namespace Kvasir.Evaluation.Running;

/// <summary>What a sequence's tokens under the policy read.</summary>
/// <param name="KeysRead">Rows read of those in sight, in layers that see all; 1 where no token was computed under the policy.</param>
/// <param name="LayerKeysRead">The same, layer by layer, those with a window among them.</param>
/// <param name="BytesPerToken">
/// Of keys, values and, where a layer did not read everything, index, by the policy's own account; 0 where no token was computed.
/// </param>
/// <param name="MassKept">Null where nothing was audited, as is <paramref name="OutputError"/>.</param>
public sealed record DecodeReads(double KeysRead, IReadOnlyList<double> LayerKeysRead, double BytesPerToken, double? MassKept, double? OutputError)
{
    /// <param name="engine">That computed the sequence, to its end.</param>
    /// <param name="policy">That it was computed under.</param>
    public static DecodeReads Of(Engine engine, Sequence sequence, AttentionPolicy policy)
    {
        ArgumentNullException.ThrowIfNull(engine);
        ArgumentNullException.ThrowIfNull(sequence);
        ArgumentNullException.ThrowIfNull(policy);
        var (config, layers) = (engine.Model.Config, sequence.ReadsByLayer());
        var rowBytes = engine.Plan.KvRowBytes;
        var indexBytes = policy.IndexBytesRead(config.HeadDim, config.HeadCount / config.KvHeadCount);
        var bytes = layers.Sum(layer => (layer.RowsRead * rowBytes) + (layer.RowsRead < layer.RowsInSight ? layer.RowsInSight * indexBytes : 0));
        var audit = sequence.AuditFigures is { HeadCount: > 0 } figures ? figures : null;
        return new DecodeReads(
            sequence.Reads().KeysReadShare, Array.ConvertAll(layers, static layer => layer.KeysReadShare),
            sequence.DecodedCount == 0 ? 0 : bytes / sequence.DecodedCount, Finite(audit?.MassKept),
            Finite(audit?.MeanError));
    }

    // JSON has no number for what is none.
    private static double? Finite(double? value) => value is { } number && double.IsFinite(number) ? number : null;
}
