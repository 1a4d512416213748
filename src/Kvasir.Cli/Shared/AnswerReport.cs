using Kvasir.Cli.Shared.Flags;
using Kvasir.Cli.Terminal;

namespace Kvasir.Cli.Shared;

/// <summary>One answer with all that is known about it: what <c>run --json</c> and each turn of <c>chat --json</c> write.</summary>
/// <param name="Turn">From 1, in a chat.</param>
/// <param name="Text">The answer, without the stop string that ended it.</param>
/// <param name="Tokens">Ids of the generated tokens.</param>
/// <param name="Logprobs">One for each token, where asked for.</param>
/// <param name="FinishReason">end, stop, length, contextFull, cancelled or failed.</param>
/// <param name="Seed">Gives the same answer when typed with the same options.</param>
/// <param name="Policy">The attention policy.</param>
/// <param name="Audit">How far attention was from dense attention, where <c>--audit</c> asked.</param>
/// <param name="Kv">How keys and values were stored.</param>
internal sealed record AnswerReport(
    int? Turn, ModelReport Model, string Text, int[] Tokens, TokenReport[]? Logprobs, string FinishReason, UsageReport Usage, TimingsReport Timings,
    SamplingReport Sampling, ulong Seed, string Policy, AuditReport? Audit, string Kv, int Threads, MemoryReport Memory)
{
    /// <summary>What <c>--kv-dir</c> was read and written for this answer and those before it; null without it.</summary>
    public KvPagesReport? KvPages { get; init; }

    /// <summary>What <c>--load-kv</c> took from a file; null where nobody asked.</summary>
    public KvFileReport? Loaded { get; init; }

    /// <summary>What <c>--save-kv</c> wrote to one; null where nobody asked, or where it failed.</summary>
    public KvFileReport? Saved { get; init; }
}

/// <param name="Hits">Pages that steps used and found in memory, each once in a step.</param>
/// <param name="Misses">Pages that they had to read.</param>
/// <param name="WaitMs">How long workers waited for pages, all of them together.</param>
internal sealed record KvPagesReport(long Hits, long Misses, long ReadBytes, long WrittenBytes, double WaitMs)
{
    /// <summary>Pages that a step used and the one before it too.</summary>
    public long UsedAgain { get; init; }

    /// <summary>Of the pages that had to be read those whose reading began before anybody wanted them.</summary>
    public long AheadUsed { get; init; }

    /// <summary>Pages that were read so and nobody wanted.</summary>
    public long AheadUnused { get; init; }

    /// <summary>Pages whose reading began since a layer was expected to want them.</summary>
    public long Foretold { get; init; }

    /// <summary>Those of them that it wanted.</summary>
    public long ForetoldUsed { get; init; }

    /// <summary>For each layer the share of pages that were in memory; null for one that used none.</summary>
    public double?[] LayerHitShares => [.. Layers.Select(static layer =>
        layer.Hits + layer.Misses is > 0 and var all ? (double?)Math.Round((double)layer.Hits / all, 4) : null)];

    private IReadOnlyList<(long Hits, long Misses)> Layers { get; init; } = [];

    /// <summary>Null where all keys and values lie in memory.</summary>
    public static KvPagesReport? Of(Engine engine) => engine.Figures.KvFiles is { } pages
        ? new(pages.Hits, pages.Misses, pages.ReadBytes, pages.WrittenBytes, Math.Round(pages.WaitMs, 3))
        {
            UsedAgain = pages.UsedAgain,
            AheadUsed = pages.AheadUsed,
            AheadUnused = pages.AheadUnused,
            Foretold = pages.Foretold,
            ForetoldUsed = pages.ForetoldUsed,
            Layers = pages.Layers,
        }
        : null;

    /// <summary>What came behind an earlier report.</summary>
    public KvPagesReport Since(KvPagesReport before) => new(
        Hits - before.Hits, Misses - before.Misses, ReadBytes - before.ReadBytes, WrittenBytes - before.WrittenBytes, Math.Round(WaitMs - before.WaitMs, 3))
    {
        UsedAgain = UsedAgain - before.UsedAgain,
        AheadUsed = AheadUsed - before.AheadUsed,
        AheadUnused = AheadUnused - before.AheadUnused,
        Foretold = Foretold - before.Foretold,
        ForetoldUsed = ForetoldUsed - before.ForetoldUsed,
        Layers = [.. Layers.Select((layer, i) => before.Layers.ElementAtOrDefault(i) is var old ? (layer.Hits - old.Hits, layer.Misses - old.Misses) : layer)],
    };

    /// <summary>For people.</summary>
    public string Line() => Misses + WrittenBytes == 0
        ? "no keys and values left memory"
        : FormattableString.Invariant($"{100.0 * Hits / Math.Max(1, Hits + Misses):0.#}% of pages were in memory{WorstLayer()} | ")
            + $"read {SizeText.Bytes(ReadBytes)} from disk, wrote {SizeText.Bytes(WrittenBytes)}, "
            + $"waited {SpeedText.Duration(TimeSpan.FromMilliseconds(WaitMs))}";

    private string WorstLayer()
    {
        var shares = LayerHitShares;
        var worst = Array.IndexOf(shares, shares.Min());
        return worst < 0 || shares[worst] is not { } share ? "" : FormattableString.Invariant($" (layer {worst}: {100 * share:0.#}%)");
    }
}

/// <param name="Tokens">Those whose keys and values were taken or written.</param>
/// <param name="FileTokens">All of the conversation in the file.</param>
internal sealed record KvFileReport(string Path, int Tokens, int FileTokens, long Bytes)
{
    public static KvFileReport Of(string path, KvFileUse use) => new(path, use.Tokens, use.FileTokens, use.Bytes);
}

internal sealed record ModelReport(string Name, string Path, string Architecture);

internal sealed record UsageReport(int PromptTokens, int GeneratedTokens, int TotalTokens, int ContextTokens)
{
    /// <summary>Tokens of the prompt that were not computed, since an earlier turn had; null where none was.</summary>
    public int? CachedTokens { get; init; }

    /// <summary>Those of them that were read from <c>--kv-dir</c>; null where none was.</summary>
    public int? StoredTokens { get; init; }
}

/// <summary>Times in milliseconds; null for a stage that was not reached, or a rate over no time.</summary>
internal sealed record TimingsReport(
    double LoadMs, double? PrefillMs, double? PrefillTokensPerSecond, double? DecodeMs, double? DecodeTokensPerSecond, double? TotalMs)
{
    /// <summary>Null where nobody asked for guesses.</summary>
    public int? GuessedTokens { get; init; }

    /// <summary>Those that were right, and took no step of their own.</summary>
    public int? AcceptedTokens { get; init; }

    /// <summary>Time in which a draft guessed them; null without one.</summary>
    public double? DraftMs { get; init; }
}

internal sealed record SamplingReport(
    float Temperature, int TopK, float TopP, float MinP, float RepetitionPenalty, float PresencePenalty, float FrequencyPenalty);

/// <summary>Natural logarithms of probabilities, before temperature and filters.</summary>
internal sealed record TokenReport(int Token, string Piece, double Logprob, AlternativeReport[] Alternatives);

internal sealed record AlternativeReport(int Token, string Piece, double Logprob);

/// <param name="OpenPageBytes">Of KV pages that are being written, which some types keep in floats as well.</param>
/// <param name="PeakBytes">The most memory that the process has had resident, the pages of the model's file included.</param>
internal sealed record MemoryReport(
    long WeightBytes, long PackedBytes, long KvBytesPerToken, long IndexBytesPerToken,
    long KvMemoryBytes, long TokensThatFit, long ScratchBytes, long OpenPageBytes, long PeakBytes)
{
    /// <summary>Of the weights, what each step reads from their file; null where all are in memory.</summary>
    public long? StreamedBytes { get; init; }

    /// <summary>For how many experts there is a place in memory; null where all are there.</summary>
    public int? ExpertPlaces { get; init; }

    /// <summary>Of those that steps chose, the share that was there.</summary>
    public double? ExpertsThere { get; init; }

    /// <summary>What has been read of weights from their file so far; null where all are in memory.</summary>
    public long? StreamReadBytes { get; init; }

    /// <summary>Time that steps have waited for them.</summary>
    public double? StreamWaitMs { get; init; }
}
