using System.Diagnostics;
using System.Globalization;
using Kvasir.Attention.Policies;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Sampling;
using Kvasir.Synthetic;
using Kvasir.Tiers;

namespace Kvasir.Bench.Phases;

/// <summary>
/// Answers of 512 tokens behind prompts of 128, as ALISA's figure 9 has them, from memory that holds four of these sequences and a store of a stated pace: by
/// phases, and by the ways that they are measured against. One step of the ablation is the way before it and one thing more.
/// </summary>
internal static class PhaseRun
{
    private const int PromptTokens = 128;
    private const int WholeSequences = 4;
    private const string Settled = "alisa:ratio=0.2,scoring=literal,min-context=0";
    private static readonly ReadPace Pace = new(20_000, 400e6, 100);

    private static readonly Way[] Ways =
    [
        new("recompute", "dense", "bf16", null),
        new("vllm", "dense", "bf16", PageEviction.Vllm),
        new("zero-inference", "dense", "bf16", PageEviction.ZeroInference),
        new("flexgen", "dense", "bf16", PageEviction.FlexGen),
        new("+ window", Settled, "bf16", PageEviction.FlexGen),
        new("+ phases", Settled, "bf16", PageEviction.Alisa),
        new("+ 8 bits", Settled, "q8", PageEviction.Alisa),
        new("+ deletion", Settled, "q8", PageEviction.Alisa, FileShare: 0.6),
    ];

    /// <param name="arguments">A shape, batches, answer tokens, and the ways that are measured, each with commas between; none for all.</param>
    public static int Run(string[] arguments)
    {
        var shape = arguments.Length > 0 ? arguments[0] : "llama3.2-1b:4";
        int[] batches = arguments.Length > 1 ? [.. arguments[1].Split(',').Select(static text => int.Parse(text, CultureInfo.InvariantCulture))] : [4, 16, 64];
        var answerTokens = arguments.Length > 2 ? int.Parse(arguments[2], CultureInfo.InvariantCulture) : 512;
        var names = arguments.Length > 3 ? arguments[3].Split(',') : [.. Ways.Select(static way => way.Name)];
        using var model = Model.Synthetic(SyntheticShape.Parse(shape), SyntheticWeights.Q4_0);
        Console.WriteLine($"{shape}, {PromptTokens} + {answerTokens} tokens, memory for {WholeSequences} of them; store {Pace}");
        Console.WriteLine("batch  way             tok/s  seconds  ms/step  preempted  recomputed rows  deleted  pages found  read a step  waited");
        foreach (var batch in batches)
        {
            foreach (var way in Ways.Where(way => names.Contains(way.Name)))
                Measure(model, way, batch, answerTokens);
        }

        return 0;
    }

    private static void Measure(Model model, Way way, int batch, int answerTokens)
    {
        var config = model.Config;
        var tokens = PromptTokens + answerTokens;
        var tokenBytes = 2L * config.LayerCount * config.KvHeadCount * config.HeadDim * sizeof(ushort);
        using var engine = new Engine(model, new EngineOptions
        {
            Kv = KvFormat.Find(way.Format)!,
            KvMemoryBytes = WholeSequences * tokens * tokenBytes,
            KvDiskBytes = way.Eviction is null ? 0 : (long)(way.FileShare * batch * (tokens + 32) * tokenBytes),
            KvPace = way.Eviction is null ? null : Pace,
            KvEviction = way.Eviction ?? PageEviction.Counted,
            ContextTokens = tokens,
            MaxSequences = batch,
        });
        var sequences = Enumerable.Range(0, batch).Select(i => Submit(engine, way, i, answerTokens)).ToArray();
        var (start, steps) = (Stopwatch.GetTimestamp(), 0);
        while (engine.Step())
            steps++;
        var seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        foreach (var sequence in sequences)
        {
            if (sequence.Failure is not null || sequence.GeneratedCount != answerTokens)
                throw new InvalidOperationException($"{way.Name}: {sequence.GeneratedCount} of {answerTokens} tokens", sequence.Failure);
        }

        var (figures, files) = (engine.Figures, engine.Figures.KvFiles ?? default);
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{batch,5}  {way.Name,-14} {batch * answerTokens / seconds,6:0.0}  {seconds,7:0.0}  {1000 * seconds / steps,7:0.0}  {figures.Preemptions,9}  "
                + $"{figures.RecomputedRows,15}  {figures.DeletedRows,7}  {(double)files.Hits / Math.Max(1, files.Hits + files.Misses),11:0.0%}  "
                + $"{files.ReadBytes / 1e6 / steps,8:0.0} MB  {files.WaitMs / 1000,5:0.0}s"));
    }

    private static Sequence Submit(Engine engine, Way way, int index, int answerTokens)
    {
        var random = new Random(index);
        var prompt = Enumerable.Range(0, PromptTokens).Select(_ => random.Next(engine.Model.Config.VocabularySize)).ToArray();
        var sequence = new Sequence(prompt, new GenerationOptions
        {
            MaxTokens = answerTokens,
            IgnoreEnd = true,
            Sampling = new SamplingOptions { Seed = (ulong)index },
            Attention = PolicyCatalog.Parse(way.Policy),
        });
        engine.Submit(sequence);
        return sequence;
    }

    private sealed record Way(string Name, string Policy, string Format, PageEviction? Eviction, double FileShare = 2);
}
