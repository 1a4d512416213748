using Kvasir.Evaluation.Files;
using Kvasir.Evaluation.Results;
using Kvasir.Evaluation.Running;
using Kvasir.Text;

namespace Kvasir.Evaluation.LabelFree;

/// <summary>The loss on windows of a text: their beginnings are computed densely, and their last tokens are predicted under the policy.</summary>
public sealed class PerplexityTask : PlannedTask
{
    public const string TaskName = "ppl";
    private readonly IReadOnlyList<int> _tokens;
    private readonly int[] _begin;
    private readonly int _scoredTokens;
    private readonly int _windows;
    private readonly Dictionary<int, TextWindow[]> _cut = [];

    /// <param name="path">A file of UTF-8.</param>
    /// <param name="tokenizer">Of the model that is measured.</param>
    /// <param name="contexts">Tokens of a window, with the begin token where the model expects one.</param>
    /// <param name="scoredTokens">Of each window, its last ones; at least 1.</param>
    /// <param name="windows">The most of each length, at least 1: drawn evenly from the whole text.</param>
    /// <exception cref="KvasirException">A length has no room for the scored tokens, or the file is missing, no text, or shorter than a window.</exception>
    public PerplexityTask(string path, Tokenizer tokenizer, IReadOnlyList<int> contexts, int scoredTokens, int windows)
        : base(TaskName)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(contexts);
        (Files, _scoredTokens, _windows, _begin) = ([path], scoredTokens, windows, tokenizer.Encode(""));
        var least = scoredTokens + Math.Max(2, _begin.Length + 1);
        if (contexts.Min() < least)
            throw new KvasirException(KvasirError.BadOption, $"a context of {contexts.Min()} tokens is too short: {scoredTokens} scored ones take {least}");
        _tokens = PerplexityText.Read(path, tokenizer, contexts.Max() - _begin.Length - scoredTokens, scoredTokens).Tokens;
        foreach (var context in contexts)
            _cut[context] = TextWindow.Cut(_tokens.Count, context - _begin.Length - scoredTokens, scoredTokens);
    }

    public override IReadOnlyList<string> Files { get; }

    public override string Settings => $"{_scoredTokens} scored tokens";

    public override int? SampleCount => Math.Min(_windows, _cut.Values.Min(static windows => windows.Length));

    internal override PlannedSample Sample(Model model, int context, ulong seed, int index)
    {
        var windows = _cut[context];
        var window = windows[(int)((long)index * windows.Length / SampleCount!.Value)];
        int[] text = [.. _tokens.Skip(window.StartIndex).Take(window.Tokens)];
        int[] fed = [.. _begin, .. text[..^1]];
        return new PlannedSample(index, new PromptTokens(fed, fed.Length - window.ScoredTokens), 0) { Targets = text[window.ContextTokens..] };
    }

    internal override SampleBatch Open(Engine engine, BatchPlace place, IReadOnlyList<PlannedSample> samples) => new PerplexityBatch(engine, place, samples);
}

/// <summary>Windows of a text whose last tokens are fed under the policy, each of them predicting the next.</summary>
internal sealed class PerplexityBatch(Engine engine, BatchPlace place, IReadOnlyList<PlannedSample> samples) : SampleBatch(engine, place, samples)
{
    protected override IReadOnlyList<EvaluatedSample> Run(BatchProtocol turn, PlannedSample[] chosen, CancellationToken cancellation)
    {
        TextLoss[] losses = Array.ConvertAll(chosen, static sample => new TextLoss(sample.Targets));
        TimedSequence[] timed = [.. chosen.Zip(losses, (sample, loss) => new TimedSequence(Open(sample, turn, [], new GenerationOptions
        {
            MaxTokens = 0,
            Sampling = SamplingOptions.Greedy with { Seed = (ulong)sample.Index },
            Logits = loss.Watch,
        })))];
        TimedSequence.RunAll(Engine, timed, cancellation);
        return [.. chosen.Select((sample, i) => Result(sample, turn, timed[i], losses[i].Score) with
        {
            Loss = losses[i].Loss,
            DecodeMs = Math.Max(0, timed[i].DecodeMs - losses[i].WatchMs),
        })];
    }
}
