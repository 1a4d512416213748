using System.Text;
using Kvasir.Calls;

namespace Kvasir.Server.Answers;

/// <summary>One choice of an answer: a sequence, and what was read of it.</summary>
/// <param name="index">Among all choices of the request.</param>
/// <param name="sequence">Read by nobody else.</param>
/// <param name="echo">What it begins with; null for nothing.</param>
/// <param name="splitter">Takes its text apart; null where all of it is text.</param>
/// <param name="stops">Those that the splitter looks for.</param>
internal sealed class Choice(int index, Sequence sequence, Echo? echo = null, AnswerSplitter? splitter = null, IReadOnlyList<string>? stops = null)
{
    private static readonly List<GeneratedToken> NoTokens = [];
    private readonly StringBuilder _text = new();
    private readonly StringBuilder _reasoning = new();
    private readonly StringBuilder _joined = new();
    private readonly List<ServedCall> _calls = [];
    private readonly List<GeneratedToken> _tokens = [];
    private readonly List<AnswerPiece> _pieces = [];
    private int _toldTokens;
    private int _countedTokens;
    private long? _lastPiece;
    private bool _hasEcho;

    public int Index => index;

    public Sequence Sequence => sequence;

    /// <summary>Of the prompt's hidden states, where it is embedded.</summary>
    public MeanState? Pool { get; init; }

    /// <summary>Its prompt's tokens.</summary>
    public required ReadOnlyMemory<int> Prompt { get; init; }

    /// <summary>All that is said so far; for any thread.</summary>
    public string Text
    {
        get
        {
            lock (_text)
                return _text.ToString();
        }
    }

    /// <summary>All that the model thought before, so far.</summary>
    public string Reasoning => _reasoning.ToString();

    /// <summary>Calls so far; the last may be cut.</summary>
    public IReadOnlyList<ServedCall> Calls => _calls;

    /// <summary>All that is said, and behind it calls that nobody can call by: for dialects in which arguments are an object.</summary>
    public string TextWithCut => _calls.TrueForAll(static call => call.IsComplete)
        ? Text
        : Text + string.Concat(_calls.Where(static call => !call.IsComplete).Select(static call => call.Spelled));

    /// <summary>Whether there are calls, and all are complete.</summary>
    public bool HasWholeCalls => splitter is { CallCount: > 0, CallsAreComplete: true };

    /// <summary>How it ended. Behind the only call that was allowed nothing was waited for, which is an end like another.</summary>
    public FinishReason Finish => splitter is not { IsOver: true } || sequence.Failure is not null || !HasEnded ? sequence.Finish
        : splitter.MatchedStop >= 0 ? FinishReason.Stop : FinishReason.End;

    /// <summary>The stop string that ended it; null for another end.</summary>
    public string? MatchedStop => splitter?.MatchedStop is >= 0 and var stop ? stops![stop] : sequence.MatchedStop;

    /// <summary>Tokens generated, as far as they were read: those behind its end were computed for nobody.</summary>
    public int TokenCount { get; private set; }

    /// <summary>Of these, what the model thought, with the marks around it.</summary>
    public int ReasoningTokens { get; private set; }

    /// <summary>Whether a limit ended it.</summary>
    public bool IsCut => Finish is FinishReason.Length or FinishReason.ContextFull or FinishReason.KvFull;

    /// <summary>Tokens of the prompt, computed or not.</summary>
    public int PromptTokens => sequence.PromptCount + sequence.Options.GivenTokens.Length;

    /// <summary>Rows of the prompt that are in the cache now.</summary>
    public int ComputedPromptTokens => Math.Min(sequence.CachedCount, PromptTokens);

    /// <summary>All tokens so far, where log-probabilities were asked for; else none.</summary>
    public IReadOnlyList<GeneratedToken> Tokens => _tokens;

    /// <summary>Whether a piece was read.</summary>
    public bool HasBegun { get; private set; }

    /// <summary>Whether all was read.</summary>
    public bool HasEnded { get; private set; }

    /// <summary>What became ready since the last call, joined as far as it is of one kind. Behind it <see cref="HasEnded"/> may be true.</summary>
    /// <returns>Until the next call.</returns>
    public List<AnswerPiece> Read()
    {
        _pieces.Clear();
        if (HasEnded)
            return _pieces;
        // Looked at first: what is read behind it is all there will be.
        HasEnded = sequence.Finish != FinishReason.None;
        if (splitter is null)
            Whole();
        else
            Split(splitter);
        return _pieces;
    }

    /// <summary>Tokens that were generated since somebody asked.</summary>
    public int CountNew()
    {
        var (now, before) = (sequence.GeneratedCount, _countedTokens);
        _countedTokens = Math.Max(now, before);
        return _countedTokens - before;
    }

    /// <summary>A piece was read: how long behind the one before; null for the first.</summary>
    public TimeSpan? MarkPiece(TimeProvider clock)
    {
        var since = _lastPiece is { } last ? clock.GetElapsedTime(last) : (TimeSpan?)null;
        _lastPiece = clock.GetTimestamp();
        return since;
    }

    /// <summary>Notes that a piece of it was written.</summary>
    public void MarkBegun() => HasBegun = true;

    private void Whole()
    {
        _joined.Clear();
        // Behind the prompt's last logits, when all is known of it.
        while (sequence.TryRead(out var token))
        {
            _joined.Append(EchoOnce()).Append(token.Text);
            Count(token);
        }

        if (HasEnded)
            _joined.Append(EchoOnce());
        if (_joined.Length > 0 || _toldTokens < _tokens.Count)
            Add(new AnswerPart(AnswerPartKind.Content, _joined.ToString()));
    }

    // Token by token: each is of what it was read as.
    private void Split(AnswerSplitter splitter)
    {
        while (!splitter.IsOver && sequence.TryRead(out var token))
        {
            var thinks = splitter.IsReasoning;
            Count(token);
            foreach (var part in splitter.Push(token.Text))
                Add(part);
            if (token.Token >= 0 && (thinks || splitter.IsReasoning))
                ReasoningTokens++;
        }

        foreach (var part in HasEnded ? splitter.Finish() : [])
            Add(part);
        // Tokens whose text is a mark, or no text, are told with what follows them, or last.
        if (HasEnded && _toldTokens < _tokens.Count)
            Add(new AnswerPart(AnswerPartKind.Content, ""));
        // What is held to a grammar ends by itself, unless it is stopped.
        if (splitter.IsOver && !HasEnded && (splitter.MatchedStop >= 0 || sequence.Options.Constraint is null or ReasoningLimit { Inner: null }))
            sequence.Cancel();
    }

    private void Count(in GeneratedToken token)
    {
        if (token.Token < 0)
            return;
        TokenCount++;
        if (sequence.Options.TopLogprobs is not null)
            _tokens.Add(token);
    }

    private void Add(AnswerPart part)
    {
        switch (part.Kind)
        {
            case AnswerPartKind.Content:
                lock (_text)
                    _text.Append(part.Text);
                break;
            case AnswerPartKind.Reasoning:
                _reasoning.Append(part.Text);
                break;
            case AnswerPartKind.CallBegin:
                _calls.Add(new ServedCall(part.CallIndex, part.CallId!, part.Text));
                break;
            case AnswerPartKind.CallArguments:
                _calls[part.CallIndex].Add(part.Text);
                break;
            case AnswerPartKind.CallEnd:
                _calls[part.CallIndex].MarkComplete();
                break;
        }

        // Nothing is written at a call's end.
        var tokens = part.Kind == AnswerPartKind.CallEnd || _toldTokens == _tokens.Count
            ? NoTokens
            : _tokens.GetRange(_toldTokens, _tokens.Count - _toldTokens);
        _toldTokens += tokens.Count;
        var piece = new AnswerPiece(Kind(part.Kind), part.Text, tokens) { CallIndex = part.CallIndex, CallId = part.CallId };
        if (_pieces is [.., var last] && last.Kind == piece.Kind && last.CallIndex == piece.CallIndex)
            _pieces[^1] = last with { Text = last.Text + piece.Text, Tokens = [.. last.Tokens, .. tokens] };
        else
            _pieces.Add(piece);
    }

    private static PieceKind Kind(AnswerPartKind kind) => kind switch
    {
        AnswerPartKind.Content => PieceKind.Text,
        AnswerPartKind.Reasoning => PieceKind.Reasoning,
        AnswerPartKind.CallBegin => PieceKind.CallBegin,
        AnswerPartKind.CallArguments => PieceKind.CallArguments,
        _ => PieceKind.CallEnd,
    };

    private string EchoOnce()
    {
        if (echo is null || _hasEcho)
            return "";
        _hasEcho = true;
        _tokens.AddRange(echo.Scores?.Tokens ?? []);
        return echo.Text;
    }
}
