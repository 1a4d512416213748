using System.Globalization;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Cli.Terminal;
using Kvasir.Kernels.Memory;

namespace Kvasir.Cli.Shared;

/// <summary>An answer's figures, as JSON and as lines for people.</summary>
internal static class AnswerFigures
{
    public static AnswerReport Report(Engine engine, Answer answer, int? turn = null)
    {
        var (model, sequence, plan) = (engine.Model, answer.Sequence, engine.Plan);
        var sampling = sequence.Options.Sampling;
        return new AnswerReport(
            turn,
            new ModelReport(model.Config.Name, model.Path, model.Config.Architecture),
            answer.Text,
            sequence.Tokens[sequence.PromptCount..].ToArray(),
            answer.Logprobs,
            ReportJson.Name(sequence.Finish),
            new UsageReport(sequence.PromptCount, sequence.GeneratedCount, sequence.TokenCount, engine.ContextTokens)
            {
                CachedTokens = sequence.CachedTokens > 0 ? sequence.CachedTokens : null,
                StoredTokens = sequence.StoredTokens > 0 ? sequence.StoredTokens : null,
            },
            Timings(model, sequence),
            new SamplingReport(
                sampling.Temperature, sampling.TopK, sampling.TopP, sampling.MinP,
                sampling.RepetitionPenalty, sampling.PresencePenalty, sampling.FrequencyPenalty),
            sequence.Seed,
            engine.Policy.Name,
            sequence.AuditFigures is { } audit ? AuditReport.Of(audit, engine.ThreadCount) : null,
            KvName(engine),
            engine.ThreadCount,
            new MemoryReport(
                plan.WeightBytes, plan.PackedBytes, plan.KvBytesPerToken, plan.IndexBytesPerToken, plan.KvMemoryBytes,
                plan.TokensThatFit, plan.ScratchBytes, plan.OpenPageBytes, ResidentMemory.PeakBytes())
            {
                StreamedBytes = plan.Streamed is { ExpertPlaces: 0 } layers ? layers.StepBytes : null,
                ExpertPlaces = plan.Streamed is { ExpertPlaces: > 0 and var places } ? places : null,
                ExpertsThere = model.Weights.Streamed is { ExpertsChosen: > 0 } read ? Round((double)read.ExpertsThere / read.ExpertsChosen) : null,
                StreamReadBytes = model.Weights.Streamed?.BytesRead,
                StreamWaitMs = Round(model.Weights.Streamed?.WaitedMs ?? double.NaN),
            })
        {
            KvPages = KvPagesReport.Of(engine),
        };
    }

    /// <summary>Lines that fit a narrow terminal: stages with their rates, then what it took and how to repeat it.</summary>
    public static IEnumerable<string> Lines(StartedEngine started, Answer answer)
    {
        var engine = started.Engine;
        var (sequence, timings) = (answer.Sequence, Timings(engine.Model, answer.Sequence));
        var read = answer.ReadTokens < sequence.PromptCount ? $"{SizeText.Count(answer.ReadTokens)} of " : "";
        yield return $"load {Time(timings.LoadMs)} | prefill {read}{Stage(sequence.PromptCount, timings.PrefillMs, timings.PrefillTokensPerSecond)}";
        yield return $"decode {Stage(sequence.GeneratedCount, timings.DecodeMs, timings.DecodeTokensPerSecond)} | {Ending(engine, sequence)}";
        if (sequence.CachedTokens > 0)
            yield return $"{SizeText.Count(sequence.CachedTokens)} of {SizeText.TokenCount(sequence.PromptCount)} of prompt were there from an earlier turn"
                + (sequence.StoredTokens > 0 ? $", {SizeText.Count(sequence.StoredTokens)} of them on disk" : "");
        if (timings.GuessedTokens is { } guessed and > 0)
        {
            var drafts = timings.DraftMs is { } ms ? $" in {Time(ms)}" : "";
            yield return $"guessed {SizeText.TokenCount(guessed)}{drafts}, {SizeText.Count(timings.AcceptedTokens!.Value)} of them right";
        }

        if (engine.Model.Weights.Streamed is { } streamed)
        {
            yield return $"weights read {SizeText.Bytes(streamed.BytesRead)}, waited {Time(streamed.WaitedMs)} for them"
                + (streamed.ExpertsThere is var there and > 0
                    ? string.Create(CultureInfo.InvariantCulture, $"; {100.0 * there / streamed.ExpertsChosen:F1} % of the experts were there") : "");
        }

        if (KvPagesReport.Of(engine) is { } pages)
            yield return pages.Line();
        if (AuditLine(engine, sequence) is { } audit)
            yield return audit;
        yield return $"peak memory {SizeText.Bytes(ResidentMemory.PeakBytes())} | attention {started.Attention}"
            + $" | {engine.ThreadCount} {(engine.ThreadCount == 1 ? "thread" : "threads")} | seed {sequence.Seed}";
    }

    /// <summary>How far attention was from dense attention; null where nobody asked.</summary>
    public static string? AuditLine(Engine engine, Sequence sequence) =>
        sequence.AuditFigures is { } figures ? AuditReport.Of(figures, engine.ThreadCount).Line() : null;

    /// <summary>The model and the memory plan.</summary>
    public static IEnumerable<string> PlanLines(Engine engine)
    {
        var (config, plan) = (engine.Model.Config, engine.Plan);
        var index = plan.IndexBytesPerToken > 0 ? $" + index {SizeText.Bytes(plan.IndexBytesPerToken)}" : "";
        yield return $"{Printable.Line(config.Name)}: {config.Architecture}, {config.LayerCount} layers | "
            + $"weights {SizeText.Bytes(plan.WeightBytes)}{Packed(plan)}{Experts(plan)}{Drafts(plan)}{Streamed(plan)} | "
            + $"context {SizeText.Count(plan.ContextTokens)}";
        var open = plan.OpenPageBytes > 0 ? $", {SizeText.Bytes(plan.OpenPageBytes)} of a sequence for pages being written" : "";
        var windows = plan.WindowBytes > 0 ? $", {SizeText.Bytes(plan.WindowBytes)} of a sequence for windows" : "";
        yield return $"KV {KvName(engine)} {SizeText.Bytes(plan.KvBytesPerToken)}{index}/token: "
            + $"{SizeText.Bytes(plan.KvMemoryBytes)}{Disk(plan)} hold {SizeText.TokenCount(plan.TokensThatFit)}{windows}{open}";
    }

    private static string Disk(MemoryPlan plan) => plan.KvDiskBytes > 0 ? $" and {SizeText.Bytes(plan.KvDiskBytes)} of disk" : "";

    private static string Packed(MemoryPlan plan) => plan.PackedBytes > 0 ? $", {SizeText.Bytes(plan.PackedBytes)} of them repacked" : "";

    private static string Experts(MemoryPlan plan) => plan.Experts is not { } experts ? ""
        : $", {SizeText.Bytes(experts.TokenBytes)} of {SizeText.Bytes(experts.Bytes)} of experts for a token"
            + (experts.MappedBytes > 0 ? $", {SizeText.Bytes(experts.MappedBytes)} where the file is mapped" : "");

    private static string Drafts(MemoryPlan plan) => plan.DraftBytes > 0 ? $" + {SizeText.Bytes(plan.DraftBytes)} in 4 bits to guess by" : "";

    private static string Streamed(MemoryPlan plan) => plan.Streamed is not { } streamed ? ""
        : streamed.ExpertPlaces > 0
        ? $", {SizeText.Count(streamed.ExpertPlaces)} of {SizeText.Count(streamed.ExpertCount)} experts in memory and others read when they are chosen"
            + (streamed.WhyCached is { } reason ? $", through the page cache ({reason})" : "")
        : $", {SizeText.Bytes(streamed.StepBytes)} of them ({streamed.LayerCount} layers) read at each step"
            + (streamed.WhyCached is { } why ? $" through the page cache ({why})" : "");

    private static string KvName(Engine engine) => engine.Kv.Name;

    private static TimingsReport Timings(Model model, Sequence sequence)
    {
        var timings = sequence.Timings;
        // The first token comes out of the prefill. The step that gave the end of the text counts, though no token of it is kept.
        var decoded = sequence.GeneratedCount - 1 + (sequence.Finish == FinishReason.End ? 1 : 0);
        return new TimingsReport(
            Round(model.LoadMs)!.Value, Round(timings.PrefillMs), Rate(sequence.PromptCount - sequence.CachedTokens, timings.PrefillMs),
            Round(timings.DecodeMs), Rate(decoded, timings.DecodeMs), Round(timings.EndMs))
        {
            GuessedTokens = sequence.Options.SpeculativeTokens > 0 ? timings.GuessedTokens : null,
            AcceptedTokens = sequence.Options.SpeculativeTokens > 0 ? timings.AcceptedTokens : null,
            DraftMs = timings.DraftMs > 0 ? Round(timings.DraftMs) : null,
        };
    }

    private static double? Rate(int tokens, double ms) => ms > 0 && tokens > 0 ? Round(tokens / ms * 1000) : null;

    private static double? Round(double value) => double.IsFinite(value) ? Math.Round(value, 3) : null;

    private static string Stage(int tokens, double? ms, double? tokensPerSecond)
    {
        var count = SizeText.TokenCount(tokens);
        return ms is null ? count : tokensPerSecond is { } rate ? $"{count} in {Time(ms)}, {SpeedText.Rate(rate)}" : $"{count} in {Time(ms)}";
    }

    private static string Time(double? ms) => SpeedText.Duration(TimeSpan.FromMilliseconds(ms ?? 0));

    private static string Ending(Engine engine, Sequence sequence) => sequence.Finish switch
    {
        FinishReason.End => "ended by the model",
        FinishReason.Stop => "ended by a stop text",
        FinishReason.Length => "ended by --max-tokens",
        FinishReason.ContextFull => $"ended by the context of {SizeText.TokenCount(engine.ContextTokens)}",
        FinishReason.KvFull => $"ended by the KV memory of {SizeText.Bytes(engine.Plan.KvMemoryBytes)}",
        FinishReason.Cancelled => "interrupted",
        _ => "failed",
    };
}
