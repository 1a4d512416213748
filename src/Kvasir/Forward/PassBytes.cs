using Kvasir.Attention.Batches;
using Kvasir.Attention.Heads;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Matrix;
using Kvasir.Models;
using Kvasir.Models.Configs;

namespace Kvasir.Forward;

/// <summary>What a <see cref="ForwardPass"/> takes beside weights and cache, before there is one.</summary>
internal static class PassBytes
{
    /// <summary>The longest row that enters a product.</summary>
    public static int Widest(ModelConfig config) => Math.Max(Math.Max(config.Width, config.MostQueryWidth), config.FeedForwardWidth);

    /// <summary>Rows of all layers' activations, and of logits.</summary>
    public static long Activations(ModelConfig config, int rows, int logitRows)
    {
        var attended = config.MostQueryWidth + config.MostAttendedWidth;
        var written = config.MostKeyWidth + config.MostValueWidth;
        var floats = ((HasBeside(config) ? 3L : 2) * config.Width) + attended + written + ((config.HasGate ? 2L : 1) * config.FeedForwardWidth);
        return sizeof(float) * ((rows * floats) + ((long)logitRows * config.VocabularySize));
    }

    /// <summary>Whether what experts give waits for the part beside them, and is not added at once.</summary>
    public static bool HasBeside(ModelConfig config) => config.Layers.Any(static layer => layer.Experts is { HasOwnNorms: true });

    /// <summary><see cref="ForwardPass.ScratchBytes"/>, as it is once steps have been computed.</summary>
    /// <param name="matrices">That products of all rows are made with; and those of one expert of each layer, where there are any.</param>
    /// <param name="batch">Limits of a batch.</param>
    /// <param name="engine">Workers, the longest sequence, and whether rows may lie on file.</param>
    public static long Scratch(
        ModelConfig config, (IEnumerable<MatrixSize> Own, IEnumerable<MatrixSize>? Experts) matrices, KvFormat kv, Batch batch,
        (int Workers, int MaxTokens, bool OnFile) engine)
    {
        var (workers, maxTokens, onFile) = engine;
        var mostRows = Math.Max(batch.MaxRows, batch.MaxLogitRows);
        using var scratch = new AttentionScratch(config.Attention, kv, maxTokens);
        using var windowed = config.WindowHeads is null ? null : new AttentionScratch(config.Attention.Windowed(), kv, maxTokens);
        using var late = onFile ? new LateHeads(config.Attention, kv, maxTokens, workers) : null;
        return Activations(config, batch.MaxRows, batch.MaxLogitRows) + PreparedRows.BytesFor(mostRows, Widest(config), workers, Kinds(matrices.Own, mostRows))
            + (workers * (scratch.Bytes + (windowed?.Bytes ?? 0))) + (late?.Bytes ?? 0)
            + (matrices.Experts is { } experts ? ExpertFeedForward.BytesFor(config, workers, batch.MaxRows, Kinds(experts, batch.MaxRows)) : 0);
    }

    private static HashSet<ActivationKind> Kinds(IEnumerable<MatrixSize> matrices, int mostRows) =>
        [.. matrices.SelectMany(matrix => new[] { matrix.KindAt(1), matrix.KindAt(mostRows) })];
}
