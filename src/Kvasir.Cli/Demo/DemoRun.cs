using Kvasir.Attention;
using Kvasir.Attention.Policies;
using Kvasir.Attention.Zones;
using Kvasir.Cli.Eval;
using Kvasir.Evaluation;
using Kvasir.Evaluation.Running;
using Kvasir.Evaluation.Scoring;
using Kvasir.Evaluation.Tasks;

namespace Kvasir.Cli.Demo;

/// <summary>A text that is computed once, and questions about it that are fed under one policy after the other.</summary>
internal sealed class DemoRun : IDisposable
{
    private const int WarmUpPromptTokens = 512;
    private const int WarmUpTokens = 16;

    private readonly Engine _engine;
    private readonly PromptTokens[] _prompts;
    private readonly SharedPrompt? _shared;
    private readonly ulong _seed;
    private volatile Sequence? _computed;

    /// <param name="model">Must outlive the run.</param>
    /// <exception cref="KvasirException">
    /// The context is too long for the model or the memory, or too short for the questions, or a policy does not fit the model.
    /// </exception>
    public DemoRun(Model model, DemoPlan plan)
    {
        var config = model.Config;
        if (plan.ContextTokens > config.ContextTokens)
            throw new KvasirException(
                KvasirError.ContextExceeded,
                $"a context of {plan.ContextTokens} tokens is beyond the {config.ContextTokens} that {config.Name} was made for");
        var shape = config.Attention;
        foreach (var policy in plan.Policies)
            policy.RequireFits(shape);
        Haystack = NeedleHaystack.Of(new SampleRequest(model.Tokenizer, plan.ContextTokens, plan.Seed, 0), plan.QuestionCount);
        _prompts =
        [
            .. Haystack.Questions.Select(question => PromptTokens.Of(
                model.Tokenizer, new Sample(Haystack.Text, question.Prompt, "", [question.Answer], Haystack.AnswerTokens, ScoringRule.ContainsAll))),
        ];
        TextTokens = _prompts.Min(static prompt => prompt.ContextTokens);
        Policies =
        [
            .. plan.Policies.Select(policy =>
                policy is SparsePolicy { Zones.MinContext: var least } && least > TextTokens ? ComparisonFlags.WithMinContext(policy, 0) : policy),
        ];
        Lowered = [.. Policies.Except(plan.Policies)];
        _seed = plan.Seed;
        // The last tokens of the text are each policy's own: what it observes, and what tells the first token.
        var own = Math.Max(DensePart.LeastOwnTokens, Policies.Max(static policy => policy.ObservedPromptRows));
        var sharedTokens = Math.Max(0, TextTokens - own) / SharedPrompt.UnitTokens * SharedPrompt.UnitTokens;
        _shared = sharedTokens == 0 ? null : new SharedPrompt([.. _prompts[0].Tokens.Take(sharedTokens)]);
        _engine = new Engine(
            model,
            new EngineOptions
            {
                Threads = plan.Threads,
                Kv = plan.Kv,
                ContextTokens = plan.ContextTokens,
                MaxSequences = 1,
                Queue = QueueLimits.None,
                PromptsFirst = true,
            });
        if (_engine.Plan.TokensThatFit >= plan.ContextTokens)
            return;
        var memory = _engine.Plan;
        _engine.Dispose();
        throw new KvasirException(
            KvasirError.KvMemoryExceeded,
            $"a context of {plan.ContextTokens} tokens is more than the {memory.TokensThatFit} that the KV memory of {memory.KvMemoryBytes} bytes holds");
    }

    public NeedleHaystack Haystack { get; }

    /// <summary>As they run.</summary>
    public IReadOnlyList<AttentionPolicy> Policies { get; }

    /// <summary>Those whose min-context would have made them read everything, and is 0 therefore.</summary>
    public IReadOnlyList<AttentionPolicy> Lowered { get; }

    /// <summary>Of the text alone.</summary>
    public int TextTokens { get; }

    public int ThreadCount => _engine.ThreadCount;

    /// <summary>Bytes of keys and values that dense attention reads for a token.</summary>
    public long TextBytes => _engine.Plan.KvBytesPerToken * TextTokens;

    /// <summary>Tokens of the text that all questions share.</summary>
    public int SharedTokens => _shared?.TokenCount ?? 0;

    /// <summary>How many of them are computed; from any thread.</summary>
    public int ComputedTokens => _computed is { } sequence ? sequence.Finish == FinishReason.None ? sequence.CachedCount : SharedTokens : 0;

    /// <summary>That computing them took.</summary>
    public double ComputedMs { get; private set; }

    /// <summary>Every policy computes something, so that no answer's time is that of code which is compiled only then.</summary>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public void WarmUp(CancellationToken cancellation)
    {
        int[] tokens = [.. _prompts[0].Tokens.Take(WarmUpPromptTokens)];
        var given = Math.Min(WarmUpTokens, tokens.Length / 2);
        foreach (var policy in Policies)
        {
            var options = new GenerationOptions
            {
                Attention = ComparisonFlags.WithMinContext(policy, 0),
                GivenTokens = tokens.AsMemory(^given..),
                MaxTokens = 0,
            };
            TimedSequence.RunAll(_engine, [new TimedSequence(new Sequence(tokens.AsSpan(..^given), options))], cancellation);
        }
    }

    /// <summary>Computes what all questions share, densely.</summary>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public void Compute(CancellationToken cancellation)
    {
        if (_shared is null)
            return;
        int[] tokens = [.. _prompts[0].Tokens.Take(SharedTokens)];
        var options = new GenerationOptions { MaxTokens = 1, IgnoreEnd = true, Sampling = SamplingOptions.Greedy };
        var timed = new TimedSequence(new Sequence(tokens, options) { Shared = _shared });
        _computed = timed.Sequence;
        TimedSequence.RunAll(_engine, [timed], cancellation);
        ComputedMs = timed.PromptMs;
    }

    /// <summary>Feeds a question under a policy, and lets it answer.</summary>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public DemoAnswer Ask(int question, int policy, CancellationToken cancellation)
    {
        var (prompt, attention) = (_prompts[question], Policies[policy]);
        int[] tokens = [.. prompt.Tokens];
        // A sequence begins with a prompt, and the question is not a part of it.
        var timed = new TimedSequence(new Sequence(tokens.AsSpan(0, prompt.ContextTokens), new GenerationOptions
        {
            Attention = attention,
            GivenTokens = tokens.AsMemory(prompt.ContextTokens),
            MaxTokens = Haystack.AnswerTokens,
            Sampling = SamplingOptions.Greedy with { Seed = _seed },
            Stop = ["."],
        })
        { Shared = _shared });
        TimedSequence.RunAll(_engine, [timed], cancellation);
        var text = "";
        while (timed.Sequence.TryRead(out var piece))
            text += piece.Text;
        var reads = DecodeReads.Of(_engine, timed.Sequence, attention);
        return new DemoAnswer(
            text.Trim(), Haystack.Questions[question].IsAnsweredBy(text), reads.KeysRead, timed.Sequence.DecodedCount, timed.DecodeMs, timed.PromptMs);
    }

    public void Dispose()
    {
        _shared?.Release();
        _engine.Dispose();
    }
}
