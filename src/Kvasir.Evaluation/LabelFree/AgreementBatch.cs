using Kvasir.Attention;
using Kvasir.Attention.Policies;
using Kvasir.Evaluation.Results;
using Kvasir.Evaluation.Running;

namespace Kvasir.Evaluation.LabelFree;

/// <summary>
/// Prompts whose dense answers are fed under other policies. A dense answer is computed once for all policies and protocols behind
/// the same shared prompt, when the first asks for it.
/// </summary>
internal sealed class AgreementBatch(
    Engine engine, BatchPlace place, IReadOnlyList<PlannedSample> samples, AgreementOptions options) : SampleBatch(engine, place, samples)
{
    private static readonly AttentionPolicy Dense = PolicyCatalog.Dense;
    private readonly Dictionary<int, Reference> _references = [];

    protected override IReadOnlyList<EvaluatedSample> Run(BatchProtocol turn, PlannedSample[] chosen, CancellationToken cancellation)
    {
        if (chosen.Any(sample => _references.TryGetValue(sample.Index, out var known) && known.SharedTokens != SharedTokens(sample)))
            _references.Clear();
        Refer([.. chosen.Where(sample => !_references.ContainsKey(sample.Index))], cancellation);
        if (turn.Policy.Name == Dense.Name)
            return Array.ConvertAll(chosen, sample => _references[sample.Index].Result with { Protocol = turn.Protocol });
        AnswerComparison[] compared = Array.ConvertAll(
            chosen, sample => new AnswerComparison(_references[sample.Index].Answer, sample.Prompt.Tokens.Count - DenseTokens(sample, turn.Protocol)));
        TimedSequence[] fed = [.. chosen.Zip(compared, (sample, comparison) => new TimedSequence(Feed(sample, turn, comparison)))];
        TimedSequence.RunAll(Engine, fed, cancellation);
        TimedSequence?[] free = [
            .. chosen.Zip(compared, (sample, comparison) =>
                options.DecodesAnswers && !comparison.IsEqual ? Free(sample, turn.Policy, DenseTokens(sample, turn.Protocol), watch: null) : null)];
        TimedSequence.RunAll(Engine, [.. free.OfType<TimedSequence>()], cancellation);
        return [.. chosen.Select((sample, i) => Compared(sample, turn, compared[i], fed[i], free[i]?.Sequence))];
    }

    private void Refer(PlannedSample[] missing, CancellationToken cancellation)
    {
        DenseAnswer[] answers = Array.ConvertAll(missing, _ => new DenseAnswer(options.MeasuresDivergence));
        TimedSequence[] timed = [.. missing.Zip(answers, (sample, answer) => Free(sample, Dense, sample.Prompt.Tokens.Count, answer.Watch))];
        TimedSequence.RunAll(Engine, timed, cancellation);
        for (var i = 0; i < missing.Length; i++)
        {
            var (text, length) = (Text(timed[i].Sequence), Length(timed[i].Sequence));
            var result = WithoutWatching(Result(missing[i], new BatchProtocol(Protocol.QuestionDense, Dense), timed[i], 1), answers[i].WatchMs) with
            {
                Divergence = options.MeasuresDivergence ? 0 : null,
                Answer = text,
                Expected = [text],
                AnswerTokens = length,
                ExpectedTokens = length,
            };
            _references[missing[i].Index] = new Reference(answers[i], result, SharedTokens(missing[i]));
        }
    }

    /// <param name="denseTokens">Of the prompt, computed densely; the others are fed under the policy.</param>
    private TimedSequence Free(PlannedSample sample, AttentionPolicy policy, int denseTokens, LogitsObserver? watch) =>
        new(Open(sample, denseTokens, [], new GenerationOptions
        {
            Attention = policy,
            AuditShare = 0,
            MaxTokens = options.Tokens,
            Sampling = Greedy(sample),
            IgnoreEnd = options.IgnoreEnd,
            Logits = watch,
        }));

    // The last token that dense attention predicted is compared, and nothing behind it.
    private Sequence Feed(PlannedSample sample, BatchProtocol turn, AnswerComparison comparison)
    {
        int[] answer = [.. _references[sample.Index].Answer.Tokens.SkipLast(1)];
        var hasGiven = answer.Length > 0 || DenseTokens(sample, turn.Protocol) < sample.Prompt.Tokens.Count;
        return Open(sample, turn, answer, new GenerationOptions
        {
            MaxTokens = hasGiven ? 0 : 1,
            Sampling = Greedy(sample),
            Logits = comparison.Watch,
        });
    }

    private EvaluatedSample Compared(PlannedSample sample, BatchProtocol turn, AnswerComparison comparison, TimedSequence fed, Sequence? free)
    {
        var reference = _references[sample.Index].Result;
        var result = WithoutWatching(Result(sample, turn, fed, comparison.Score), comparison.WatchMs) with
        {
            Divergence = comparison.Divergence,
            Expected = reference.Expected,
        };
        if (!options.DecodesAnswers)
            return result;
        return result with
        {
            Answer = free is null ? reference.Answer : Text(free),
            AnswerTokens = free is null ? reference.AnswerTokens : Length(free),
            ExpectedTokens = reference.AnswerTokens,
        };
    }

    // Tokens before the one that ends an answer, whether it was asked to go on or not.
    private int Length(Sequence sequence)
    {
        var count = 0;
        foreach (var token in sequence.Tokens[(sequence.PromptCount + sequence.Options.GivenTokens.Length)..])
        {
            if (Engine.Model.Tokenizer.IsEnd(token))
                break;
            count++;
        }

        return count;
    }

    // Policies that draw do so by the seed.
    private static SamplingOptions Greedy(PlannedSample sample) => SamplingOptions.Greedy with { Seed = (ulong)sample.Index };

    private static EvaluatedSample WithoutWatching(EvaluatedSample result, double watchMs) => result with { DecodeMs = Math.Max(0, result.DecodeMs - watchMs) };

    private sealed record Reference(DenseAnswer Answer, EvaluatedSample Result, int SharedTokens);
}
