using System.Runtime.CompilerServices;
using Kvasir.Attention;
using Kvasir.Attention.Audit;
using Kvasir.Attention.Batches;
using Kvasir.Cache;
using Kvasir.Ground;
using Kvasir.Models.Configs;
using Kvasir.Requests;
using Kvasir.Sampling;
using Kvasir.Structure;

namespace Kvasir;

/// <summary>
/// One request: its tokens, its place in the cache, and its answer as it grows. The engine's thread writes; one other thread may
/// read the answer through <see cref="TryRead"/> or <see cref="ReadAllAsync"/>, and any thread may <see cref="Cancel"/>.
/// </summary>
public sealed class Sequence
{
    private const int TextBytesPerToken = 8;
    // Tokens of an answer that there is room for at first.
    private const int LeastRoom = 256;
    private static readonly TokenLogprob[] NoLogprobs = [];
    private static readonly StopMatcher NoText = new([], 0);
    private readonly int[] _prompt;
    private ReaderSignal _signal;
    private int[] _tokens;
    private int[] _textEnds = [];
    private float[] _logprobs = [];
    private TokenLogprob[][] _topLogprobs = [];
    private StopMatcher _text = NoText;
    private (int Size, IReadOnlyList<int> Suppressed) _vocabulary;
    private int _readCount;
    private int _readBytes;
    private bool _tailRead;
    private int _submitted;
    private int _publishedCount;
    private int _finish;
    private bool _gaveBack;
    private volatile bool _hasPrompt;

    /// <param name="prompt">At least one token; an empty prompt is refused when the sequence is submitted.</param>
    public Sequence(ReadOnlySpan<int> prompt, GenerationOptions? options = null)
    {
        _tokens = _prompt = prompt.ToArray();
        _signal = new ReaderSignal(null, Interruption);
        Options = options ?? new GenerationOptions();
        (TokenCount, PrefillCount) = (prompt.Length, prompt.Length);
    }

    /// <summary>As they were given; from submission on a copy that nobody else can change.</summary>
    public GenerationOptions Options { get; private set; }

    /// <summary>What it has in common with others, at the beginning of its prompt; null for nothing.</summary>
    public SharedPrompt? Shared { get; init; }

    /// <summary>Keeps the rows of its prompt in the prefix cache; null for nobody. It fails if they are more than may be pinned.</summary>
    public PrefixPin? Pin { get; init; }

    /// <summary>
    /// Called by the engine's thread behind each step that has more for <see cref="TryRead"/>, and at the end; it is to return at once. Who waits needs none.
    /// </summary>
    public Action? Told { get => _signal.Told; init => _signal = new ReaderSignal(value, Interruption); }

    public SequenceTimings Timings { get; } = new();

    public int PromptCount => _prompt.Length;

    /// <summary>Tokens generated so far, as the engine's thread sees it.</summary>
    public int GeneratedCount => Math.Max(0, TokenCount - AnswerStart);

    /// <summary>Prompt, given tokens as far as they were fed, and answer.</summary>
    public int TokenCount { get; private set; }

    /// <summary>Prompt, given tokens as far as they were fed, and answer, [<see cref="TokenCount"/>].</summary>
    public ReadOnlySpan<int> Tokens => _tokens.AsSpan(0, TokenCount);

    /// <summary>Tokens that were computed under the policy; a preempted sequence computes some again as a prompt, which is not counted.</summary>
    public int DecodedCount => Attention?.DecodedCount ?? 0;

    /// <summary>Tokens whose keys and values the cache holds. Progress of a prefill, from any thread.</summary>
    public int CachedCount => Attention?.RowCount ?? 0;

    /// <summary>Tokens of the prompt whose rows were there, and that it did not compute.</summary>
    public int CachedTokens { get; private set; }

    /// <summary>Those of them whose rows came from <see cref="EngineOptions.PrefixStores"/>.</summary>
    public int StoredTokens { get; private set; }

    /// <summary>
    /// Tokens of the prompt whose rows it leaves to whoever begins with the same: until the prompt is computed those that it is going to leave, and from then
    /// on those that it has left.
    /// </summary>
    public int CacheWriteTokens => Prefix is not { } path ? 0
        : Math.Min(_hasPrompt || Finish != FinishReason.None ? path.WrittenRows : path.PromptRows - CachedTokens, PromptCount - CachedTokens);

    /// <summary>The first token at which the prompt left all that the prefix cache had behind <see cref="CachedTokens"/>; null where it did not.</summary>
    public int? DivergedAt { get; private set; }

    /// <summary>The most tokens, prompt included, that this sequence may reach; known after submission.</summary>
    public int TokenLimit { get; private set; }

    /// <summary>The seed that tokens are drawn with.</summary>
    public ulong Seed { get; private set; }

    public bool IsCancelled => Interruption.IsCancelled;

    /// <summary>How far attention was from dense attention; null unless an audit was asked for. To be read after the end.</summary>
    public AuditFigures? AuditFigures => Attention?.Audit?.Figures();

    public FinishReason Finish => (FinishReason)Volatile.Read(ref _finish);

    /// <summary>The stop string that ended the answer; null for another end. To be read after the end.</summary>
    public string? MatchedStop => _text.MatchedStop is >= 0 and var stop ? Options.Stop[stop] : null;

    /// <summary>The error, when <see cref="Finish"/> is <see cref="FinishReason.Failed"/>.</summary>
    public KvasirException? Failure { get; private set; }

    /// <summary>Rows before this one are attended as a prompt. Grows when a preempted sequence computes its own answer again.</summary>
    internal int PrefillCount { get; private set; }

    /// <summary>Where it stands in the queue, and what it waits for; null while it does not wait. For any thread.</summary>
    public QueuePlace? Place => Ticket.Queue?.PlaceOf(this);

    /// <summary>What the scheduler knows of it.</summary>
    internal Ticket Ticket { get; set; } = new();

    /// <summary>Whether rows of its prompt are to be computed next.</summary>
    internal bool IsPrefilling => Attention is { Cache: not null, IsIndexing: false } && CachedCount < PrefillCount;

    /// <summary>Whether its newest token is to be computed next.</summary>
    internal bool IsDecoding => Attention is { Cache: not null, IsIndexing: false } && CachedCount >= PrefillCount;

    /// <summary>Where the answer begins: behind the prompt and what was given.</summary>
    internal int AnswerStart => PromptCount + Options.GivenTokens.Length;

    /// <summary>Whether it has rows, in memory or, where it waits, on file.</summary>
    internal bool HasRows => Attention?.Cache is not null;

    /// <summary>How far guesses may be taken back.</summary>
    internal TakeBackLimits TakeBack => new(Options.SpeculativeTokens, Options.SpeculativeTokens);

    /// <summary>Its place in the prefix cache; null where it has none.</summary>
    internal PrefixPath? Prefix { get; private set; }

    /// <summary>What brings rows of its prompt from beyond memory, for which it waits; null for nothing.</summary>
    internal Tiers.ColumnLoad? Load { get; set; }

    /// <summary>What it attends with; null before it was accepted.</summary>
    internal SequenceAttention? Attention { get; private set; }

    internal Interruption Interruption { get; } = new();

    internal Sampler? Sampler { get; private set; }

    internal Guesses Guesses { get; } = new();

    /// <summary>How far the answer has come under its constraint; null for none.</summary>
    internal ConstraintCursor? Constraint { get; private set; }

    /// <summary>What was thrown in this sequence's own part of a step, which ends it; null for nothing.</summary>
    internal Exception? Fault => Interruption.Fault;

    /// <summary>Whether nobody waits for more of it.</summary>
    internal bool IsOver => Interruption.IsOver;

    /// <summary>Asks the engine to stop: one that waits has ended when this returns; one that computes frees its pages in a step or a layer of it.</summary>
    public void Cancel()
    {
        Interruption.Cancel();
        // Whoever queues it meanwhile sees that, or is seen here.
        Interlocked.MemoryBarrier();
        Ticket.Queue?.Drop(this);
    }

    /// <summary>What its tokens under the policy have read so far, layer by layer; empty before it was accepted. For between steps, or after the end.</summary>
    public LayerReads[] ReadsByLayer() => Attention?.ReadsByLayer() ?? [];

    /// <summary>The same of all layers together but those with a window, which read all of it whatever the policy.</summary>
    public LayerReads Reads() => Attention?.ReadsOfFullLayers() ?? default;

    /// <summary>The next piece of the answer, when there is one already.</summary>
    public bool TryRead(out GeneratedToken token)
    {
        var finished = Finish != FinishReason.None;
        if (_readCount < Volatile.Read(ref _publishedCount))
        {
            var i = _readCount++;
            var logprob = _logprobs.Length > 0 ? _logprobs[i] : float.NaN;
            token = new GeneratedToken(_tokens[AnswerStart + i], ReadText(_textEnds[i]), logprob, _topLogprobs.Length > 0 ? _topLogprobs[i] : NoLogprobs);
            return true;
        }

        var tail = finished && !_tailRead ? ReadText(_text.ReleasedBytes) : "";
        _tailRead |= finished;
        token = new GeneratedToken(-1, tail, float.NaN, NoLogprobs);
        return tail.Length > 0;
    }

    /// <summary>
    /// Completes when there is more for <see cref="TryRead"/>, or there will be no more: then it gives false. For the one thread that reads; a wait that is
    /// not over is awaited before the next begins.
    /// </summary>
    public async ValueTask<bool> WaitToReadAsync(CancellationToken cancellation = default)
    {
        while (true)
        {
            var finished = Finish != FinishReason.None;
            if (_readCount < Volatile.Read(ref _publishedCount))
                return true;
            if (finished)
                return !_tailRead;
            await _signal.WaitAsync(cancellation).ConfigureAwait(false);
        }
    }

    /// <summary>The answer as it comes. Ends when the sequence does; throws what <see cref="Failure"/> holds.</summary>
    /// <exception cref="ObjectDisposedException">The engine or its model was disposed before the answer was complete.</exception>
    public async IAsyncEnumerable<GeneratedToken> ReadAllAsync([EnumeratorCancellation] CancellationToken cancellation = default)
    {
        while (true)
        {
            var finished = Finish != FinishReason.None;
            while (TryRead(out var token))
                yield return token;
            if (finished)
                break;
            await _signal.WaitAsync(cancellation).ConfigureAwait(false);
        }

        if (Failure?.InnerException is ObjectDisposedException)
            throw new ObjectDisposedException(Failure.Message, Failure);
        if (Failure is not null)
            throw Failure;
    }

    /// <summary>Called by whoever submits it, on the submitter's thread, before anything else.</summary>
    /// <exception cref="KvasirException">It was submitted before, or an option is outside its range.</exception>
    internal void BeginSubmission(int vocabularySize, EngineOptions engine, IReadOnlyList<int>? suppressed = null)
    {
        if (Interlocked.Exchange(ref _submitted, 1) != 0)
            throw new KvasirException(KvasirError.BadOption, "the sequence was submitted before; each request is a sequence of its own");
        try
        {
            _vocabulary = (vocabularySize, suppressed ?? []);
            Timings.Begin(engine.Time);
            Options = Options.Checked(vocabularySize, engine);
        }
        catch
        {
            AbandonSubmission();
            throw;
        }
    }

    /// <summary>It was refused, and may be submitted again.</summary>
    internal void AbandonSubmission() => Volatile.Write(ref _submitted, 0);

    internal void MarkFault(Exception fault) => Interruption.MarkFault(fault);

    /// <summary>Called once, when the engine accepts the sequence. Nothing that grows with its tokens is allocated before <see cref="Enter"/>.</summary>
    internal void Accept(int tokenLimit, ulong seed, AttentionPolicy policy, AttentionShape shape, AttentionAudit? audit)
    {
        (TokenLimit, Seed) = (tokenLimit, seed);
        var takeBack = policy.SuitsGuesses ? TakeBack : default;
        Attention = new SequenceAttention(policy, shape, tokenLimit, audit, Interruption, takeBack) { PrefixRows = Shared?.TokenCount ?? 0 };
    }

    /// <summary>Allocates what it computes with, when it is admitted; nothing when it comes again.</summary>
    internal void Enter()
    {
        if (Sampler is not null)
            return;
        Sampler = new Sampler(Options.Sampling with { Seed = Seed }, Options.TopLogprobs, _vocabulary.Size, _vocabulary.Suppressed);
        Constraint = Options.Constraint?.Begin();
        _text = new StopMatcher(Options.Stop, TextBytesPerToken * Math.Min(LeastRoom, TokenLimit - AnswerStart));
        Grow(0);
        Options.GivenTokens.Span.CopyTo(_tokens.AsSpan(PromptCount));
    }

    /// <summary>Gives it a place in the prefix cache, before it is queued.</summary>
    internal void Accept(PrefixPath prefix) => (Prefix = prefix).NameAll(_prompt);

    /// <summary>Says that it has got so many rows more that were there.</summary>
    internal void MarkFound(int rows)
    {
        Prefix?.CountHits(rows, _gaveBack, isStored: Load is not null);
        if (_gaveBack)
            return;
        (CachedTokens, StoredTokens) = (CachedTokens + rows, StoredTokens + (Load is null ? 0 : rows));
        // What it left when it came may have been passed since.
        DivergedAt = Prefix?.DivergedAt is { } split && split >= CachedTokens ? split : null;
        if (Prefix is { IsRetokenised: true } path)
            path.CountRetokenised();
    }

    /// <summary>Says that its prompt is computed.</summary>
    internal void MarkPromptEnd()
    {
        _hasPrompt = true;
        Prefix?.CountMisses(_gaveBack ? 0 : PromptCount - CachedTokens);
    }

    /// <summary>Gives every page back. What was computed is computed again when the sequence starts once more.</summary>
    internal void Release()
    {
        Attention?.LeaveParts();
        Attention?.Release();
        Prefix?.Leave(isFaulty: Fault is not null);
        (PrefillCount, _gaveBack) = (TokenCount, true);
    }

    /// <summary>Room for guesses behind the tokens of an answer; what was written there stays.</summary>
    internal Span<int> Room(int count)
    {
        Reserve(GeneratedCount + count);
        return _tokens.AsSpan(TokenCount, count);
    }

    /// <summary>The tokens and so many guesses behind them.</summary>
    internal ReadOnlySpan<int> With(int guesses) => _tokens.AsSpan(0, TokenCount + guesses);

    /// <summary>The newest token, which is to be computed next, and candidates that were put behind it.</summary>
    internal ReadOnlySpan<int> NewestWith(int candidates) => _tokens.AsSpan(TokenCount - 1, 1 + candidates);

    /// <summary>Appends the next given token. False when there is none left.</summary>
    internal bool TryCommitGiven()
    {
        if (TokenCount >= AnswerStart)
            return false;
        Timings.MarkFirstToken();
        TokenCount++;
        return true;
    }

    /// <summary>Appends a generated token and the text it adds, or the name of a control token. True when a stop string is complete.</summary>
    internal bool CommitToken(int token, ReadOnlySpan<byte> bytes, in SampledToken sampled, ReadOnlySpan<byte> controlName = default)
    {
        Timings.MarkFirstToken();
        var i = GeneratedCount;
        Reserve(i + 1);
        _tokens[TokenCount++] = token;
        var stopped = controlName.IsEmpty ? _text.Append(bytes) : _text.AppendHidden(controlName);
        _textEnds[i] = _text.ReleasedBytes;
        if (_logprobs.Length > 0)
            (_logprobs[i], _topLogprobs[i]) = (sampled.Logprob, sampled.TopLogprobs ?? NoLogprobs);
        Constraint?.Advance(token);
        Volatile.Write(ref _publishedCount, i + 1);
        return stopped;
    }

    /// <summary>Tells whoever reads of what a step has brought: once, when all that it draws is drawn.</summary>
    internal void Tell() => _signal.SetBehind(_publishedCount);

    /// <summary>Whether the name of an end token, which is no part of the answer, completes a stop string that began in the answer.</summary>
    internal bool StopsAtEnd(ReadOnlySpan<byte> controlName) => _text.AppendHidden(controlName);

    /// <summary>Gives everything back, and says how it ended even where that fails. A fault of its own outweighs every other end.</summary>
    internal void End(FinishReason reason, KvasirException? failure = null)
    {
        try
        {
            Release();
        }
        finally
        {
            Failure = failure ?? Fault as KvasirException
                ?? (Fault is null ? null : new(KvasirError.Fault, $"a fault ended this request: {Fault.GetType().Name}: {Fault.Message}", Fault));
            _text.Finish();
            Timings.MarkEnd();
            Volatile.Write(ref _finish, (int)(Failure is null ? reason : FinishReason.Failed));
            _signal.Set();
        }
    }

    private void Reserve(int answerTokens)
    {
        if (answerTokens > _textEnds.Length)
            Grow(answerTokens);
    }

    // A reader has the arrays that there were, or those that are copies of them: what is published is in both.
    private void Grow(int answerTokens)
    {
        var room = (int)Math.Min(TokenLimit - AnswerStart, Math.Max(LeastRoom, 2L * answerTokens));
        Array.Resize(ref _tokens, AnswerStart + room);
        Array.Resize(ref _textEnds, room);
        if (Options.TopLogprobs is null)
            return;
        Array.Resize(ref _logprobs, room);
        Array.Resize(ref _topLogprobs, room);
    }

    private string ReadText(int end)
    {
        var text = end > _readBytes ? _text.Text(_readBytes, end) : "";
        _readBytes = end;
        return text;
    }
}
