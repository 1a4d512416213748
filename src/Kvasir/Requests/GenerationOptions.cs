using System.Text;
using Kvasir.Attention;
using Kvasir.Requests;
using Kvasir.Structure;

namespace Kvasir;

/// <summary>What a request asks for beside its prompt.</summary>
public sealed record GenerationOptions
{
    /// <summary>The most that <see cref="SpeculativeTokens"/> may be.</summary>
    public const int MostSpeculativeTokens = 16;

    private const int MostClientChars = 256;
    private const int MostPriority = 100;
    private const int MostNameBytes = 256;
    private const int MostKept = 16;

    /// <summary>
    /// The most tokens to generate: at least 1, or 0 where tokens are given or hidden states are wanted; null goes on to the end of the context.
    /// </summary>
    public int? MaxTokens { get; init; }

    /// <summary>
    /// Tokens behind the prompt that are fed as if they had been generated, one a step or as candidates: attended by the policy. They are no part of the
    /// answer, end nothing, and are not sampled; generation goes on behind them.
    /// </summary>
    public ReadOnlyMemory<int> GivenTokens { get; init; }

    /// <summary>Told the logits of the prompt's last token and of every token behind it, once each; null for nobody.</summary>
    public LogitsObserver? Logits { get; init; }

    /// <summary>
    /// Told the hidden states of all tokens, the prompt's too; null for nobody. Rows that are there already have none, so none are taken: <see cref="Cache"/>
    /// is false then.
    /// </summary>
    public HiddenObserver? Hidden { get; init; }

    public SamplingOptions Sampling { get; init; } = new();

    /// <summary>
    /// Texts that end the answer, which then stops before them. A control token counts by its name, though it is no part of the answer. At most 16, each
    /// of 1 to 256 UTF-8 bytes.
    /// </summary>
    public IReadOnlyList<string> Stop { get; init; } = [];

    /// <summary>Alternatives to report with each token: null for no log-probabilities, 0 for the chosen token's only, at most 20.</summary>
    public int? TopLogprobs { get; init; }

    /// <summary>
    /// What the answer may say, token by token; null for anything. Where it allows nothing more, the answer ends: <see cref="FinishReason.End"/>. Given tokens
    /// are not held to it. Log-probabilities are the model's own, before it.
    /// </summary>
    public AnswerConstraint? Constraint { get; init; }

    /// <summary>Control tokens whose names are part of the text: marks that whoever reads it needs, as around calls of tools.</summary>
    public IReadOnlyList<int> ShownControls { get; init; } = [];

    /// <summary>Whether end-of-generation tokens are generated like any other, as benchmarks want.</summary>
    public bool IgnoreEnd { get; init; }

    /// <summary>
    /// Whose request it is, in at most 256 characters: clients that wait are served by turns, and what each may have in an engine is limited
    /// (<see cref="QueueLimits.SequencesPerClient"/>, <see cref="EngineOptions.MaxSequencesPerClient"/>). Null for nobody's: these are one client without such
    /// limits.
    /// </summary>
    public string? Client { get; init; }

    /// <summary>
    /// The most sequences of <see cref="Client"/> that compute side by side, from 1 to 1024; null takes <see cref="EngineOptions.MaxSequencesPerClient"/>.
    /// </summary>
    public int? MaxClientSequences { get; init; }

    /// <summary>From -100 to 100; lower goes first, and gives its memory up last. 30 seconds of waiting count as 1 less, so that nobody starves.</summary>
    public int Priority { get; init; }

    /// <summary>
    /// How long after its submission the answer is worth nothing any more, from 1 ms to 24 days: it fails then, computed or not. Null for never.
    /// </summary>
    public TimeSpan? Deadline { get; init; }

    /// <summary>Whether rows that are there already are taken, and its own left to others, where <see cref="EngineOptions.PrefixCache"/> keeps any.</summary>
    public bool Cache { get; init; } = true;

    /// <summary>
    /// Whose request it is, in at most 256 bytes of UTF-8: rows are shared within a tenant alone, for how fast a prompt is answered tells whether somebody
    /// asked it before.
    /// </summary>
    public string? Tenant { get; init; }

    /// <summary>What narrows that further, in 1 to 256 bytes of UTF-8: rows are shared among requests of a tenant with the same salt.</summary>
    public string? CacheSalt { get; init; }

    /// <summary>
    /// Beginnings whose rows are to be kept longer than others', each for its time: at most 16. They need <see cref="EngineOptions.PrefixCache"/>; without one
    /// this is nothing.
    /// </summary>
    public IReadOnlyList<KeptPrefix> Keep { get; init; } = [];

    /// <summary>The policy for this sequence; null takes the engine's.</summary>
    public AttentionPolicy? Attention { get; init; }

    /// <summary>
    /// The share, from 0 to 1, of this sequence's sparse (step, layer, KV head) that are attended densely as well, to know how far off they
    /// are: <see cref="Sequence.AuditFigures"/>. Tokens do not depend on it. It costs this share of dense attention. Null takes the engine's.
    /// </summary>
    public double? AuditShare { get; init; }

    /// <summary>
    /// Tokens that are guessed at a time, 0 to 16, from what followed the newest ones where they came before, and computed in one step with the next token. A
    /// guess is taken if it is the token that the sampler draws there; what it was wrong about is taken back. So tokens are those without, but for rounding: a
    /// step of several rows rounds as a batch of sequences does, and a long answer may differ at a draw that was close. Text that repeats its prompt or itself
    /// comes faster, and other text a little slower. Given tokens are computed so many at a time as well. Under policies that merge rows or leave out elements
    /// of keys nothing is guessed (<see cref="AttentionPolicy.SuitsGuesses"/>). Where the model has <see cref="ModelOptions.DraftWeights"/>, these guess in the
    /// place of the text, as many at a time as pay, up to this.
    /// </summary>
    public int SpeculativeTokens { get; init; }

    /// <summary>A copy that shares nothing which somebody could change later, or that could throw later.</summary>
    /// <exception cref="KvasirException">An option is null or outside its range.</exception>
    /// <param name="engine">Whose defaults hold.</param>
    internal GenerationOptions Checked(int vocabularySize, EngineOptions engine)
    {
        if (Sampling is null)
            throw new KvasirException(KvasirError.BadOption, "sampling is null; leave it out for the defaults");
        if (Stop is null)
            throw new KvasirException(KvasirError.BadOption, "the list of stop strings is null; an empty one stands for none");
        if (ShownControls is null)
            throw new KvasirException(KvasirError.BadOption, "the list of control tokens that are shown is null; an empty one stands for none");
        if (Keep is null)
            throw new KvasirException(KvasirError.BadOption, "the list of what is kept is null; an empty one stands for nothing");
        var own = this with
        {
            Keep = [.. Keep],
            ShownControls = [.. ShownControls],
            GivenTokens = GivenTokens.ToArray(),
            SpeculativeTokens = SpeculativeTokens == 0 && MayGuess(engine) ? engine.SpeculativeTokens : SpeculativeTokens,
            Cache = Cache && Hidden is null,
            Sampling = Sampling.Checked(vocabularySize),
            Stop = StopMatcher.Checked(Stop),
        };
        if (Constraint?.VocabularySize > vocabularySize)
            throw new KvasirException(
                KvasirError.BadOption, $"the constraint was made for a vocabulary of {Constraint.VocabularySize} tokens, and the model has {vocabularySize}");
        own.Validate();
        return own;
    }

    private bool MayGuess(EngineOptions engine) => (AuditShare ?? engine.AuditShare) == 0 && (Attention ?? engine.Attention).SuitsGuesses;

    private static int Bytes(string? name) => name is null ? 0 : Encoding.UTF8.GetByteCount(name);

    // Nothing is generated only where there is something else to tell.
    private int LeastTokens => GivenTokens.IsEmpty && Hidden is null ? 1 : 0;

    private void Validate()
    {
        if (MaxTokens < LeastTokens)
            throw new KvasirException(KvasirError.BadOption, $"max tokens {MaxTokens} is less than {LeastTokens}");
        if (SpeculativeTokens is < 0 or > MostSpeculativeTokens)
            throw new KvasirException(KvasirError.BadOption, $"speculative tokens {SpeculativeTokens} is outside 0 to {MostSpeculativeTokens}");
        if (TopLogprobs is < 0 or > 20)
            throw new KvasirException(KvasirError.BadOption, $"top logprobs {TopLogprobs} is outside 0 to 20");
        if (AuditShare is not (null or (>= 0 and <= 1)))
            throw new KvasirException(KvasirError.BadOption, $"audit share {AuditShare} is outside 0 to 1");
        if (Client?.Length > MostClientChars)
            throw new KvasirException(KvasirError.BadOption, $"the client's name has {Client.Length} characters, and at most {MostClientChars} are allowed");
        EngineOptions.Require(MaxClientSequences ?? 1, 1, 1024, "sequences of the client");
        if (Priority is < -MostPriority or > MostPriority)
            throw new KvasirException(KvasirError.BadOption, $"priority {Priority} is outside -{MostPriority} to {MostPriority}");
        EngineOptions.Require(Deadline, "deadline");
        EngineOptions.Require(Keep.Count, 0, MostKept, "beginnings that are kept");
        foreach (var keep in Keep)
        {
            EngineOptions.Require(keep.Tokens, 1, int.MaxValue, "tokens of a beginning that is kept");
            EngineOptions.Require(keep.Time, "the time that a beginning is kept");
        }

        if (Bytes(Tenant) > MostNameBytes)
            throw new KvasirException(KvasirError.BadOption, $"the tenant has {Bytes(Tenant)} bytes, and at most {MostNameBytes} are allowed");
        if (CacheSalt is not null && Bytes(CacheSalt) is < 1 or > MostNameBytes)
            throw new KvasirException(KvasirError.BadOption, $"the cache salt has {Bytes(CacheSalt)} bytes; 1 to {MostNameBytes} are allowed");
    }
}
