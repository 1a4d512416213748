using System.Text;

namespace Kvasir.Server.Answers;

/// <summary>One choice of an answer: a sequence, and what was read of it.</summary>
/// <param name="index">Among all choices of the request.</param>
/// <param name="sequence">Read by nobody else.</param>
internal sealed class Choice(int index, Sequence sequence)
{
    private readonly StringBuilder _text = new();
    private readonly List<GeneratedToken> _tokens = [];
    private Task<bool> _waiting = Task.FromResult(true);

    public int Index => index;

    public Sequence Sequence => sequence;

    /// <summary>All of the text so far.</summary>
    public string Text => _text.ToString();

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
        while (sequence.TryRead(out var token))
        {
            _text.Append(token.Text);
            if (token.Token >= 0 && sequence.Options.TopLogprobs is not null)
                _tokens.Add(token);
        }

        if (_text.Length == start && _tokens.Count == first)
            return null;
        return new AnswerPiece(PieceKind.Text, _text.ToString(start, _text.Length - start), _tokens.GetRange(first, _tokens.Count - first));
    }

    /// <summary>Notes that a piece of it was written.</summary>
    public void MarkBegun() => HasBegun = true;
}
