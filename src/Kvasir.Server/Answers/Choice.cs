using System.Text;

namespace Kvasir.Server.Answers;

/// <summary>One choice of an answer: a sequence, and what was read of it.</summary>
/// <param name="index">Among all choices of the request.</param>
/// <param name="sequence">Read by nobody else.</param>
/// <param name="echo">What it begins with; null for nothing.</param>
internal sealed class Choice(int index, Sequence sequence, Echo? echo = null)
{
    private readonly StringBuilder _text = new();
    private readonly List<GeneratedToken> _tokens = [];
    private bool _hasEcho;
    private Task<bool> _waiting = Task.FromResult(true);

    public int Index => index;

    public Sequence Sequence => sequence;

    /// <summary>All of the text so far.</summary>
    public string Text => _text.ToString();

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

    /// <summary>Completes when there is more to read.</summary>
    public Task WaitAsync()
    {
        // A wait that was left would take the signal that the next one needs.
        if (_waiting.IsCompleted)
            _waiting = sequence.WaitToReadAsync().AsTask();
        return _waiting;
    }

    /// <summary>What became ready since the last call, joined; null for nothing. Behind it <see cref="HasEnded"/> may be true.</summary>
    public AnswerPiece? Read()
    {
        if (HasEnded)
            return null;
        // Looked at first: what is read behind it is all there will be.
        HasEnded = sequence.Finish != FinishReason.None;
        var (start, first) = (_text.Length, _tokens.Count);
        // Behind the prompt's last logits, when all is known of it.
        while (sequence.TryRead(out var token))
        {
            BeginWithEcho();
            _text.Append(token.Text);
            if (token.Token >= 0 && sequence.Options.TopLogprobs is not null)
                _tokens.Add(token);
        }

        if (HasEnded)
            BeginWithEcho();
        if (_text.Length == start && _tokens.Count == first)
            return null;
        return new AnswerPiece(PieceKind.Text, _text.ToString(start, _text.Length - start), _tokens.GetRange(first, _tokens.Count - first));
    }

    /// <summary>Notes that a piece of it was written.</summary>
    public void MarkBegun() => HasBegun = true;

    private void BeginWithEcho()
    {
        if (echo is null || _hasEcho)
            return;
        _hasEcho = true;
        _text.Append(echo.Text);
        _tokens.AddRange(echo.Scores?.Tokens ?? []);
    }
}
