using System.Text;
using Kvasir.Structure;
using Kvasir.Text;

namespace Kvasir.Calls;

/// <summary>
/// Answers whose reasoning has at most so many tokens: behind them comes the mark that closes it. What follows is held to another constraint, or to none.
/// </summary>
public sealed class ReasoningLimit : AnswerConstraint
{
    private readonly Tokenizer _tokenizer;
    private readonly int _mostTokens;
    private readonly bool _beginsInReasoning;
    private readonly byte[] _open;
    private readonly byte[] _close;
    private readonly int _closeToken;
    private readonly TokenMask _closing;

    /// <param name="format">Of a model that marks what it thinks.</param>
    /// <param name="tokenizer">Of the same model.</param>
    /// <param name="mostTokens">At least 0.</param>
    /// <param name="beginsInReasoning">Whether the prompt ended with the mark that opens what the model thinks.</param>
    /// <param name="inner">What the whole answer is held to beside; null for nothing.</param>
    public ReasoningLimit(AnswerFormat format, Tokenizer tokenizer, int mostTokens, bool beginsInReasoning, AnswerConstraint? inner = null)
    {
        ArgumentNullException.ThrowIfNull(format);
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentOutOfRangeException.ThrowIfNegative(mostTokens);
        var marks = format.Reasoning
            ?? throw new KvasirException(KvasirError.Unsupported, "the model does not mark what it thinks, so that it cannot be limited");
        (_tokenizer, _mostTokens, _beginsInReasoning, Inner) = (tokenizer, mostTokens, beginsInReasoning, inner);
        (_open, _close) = (Encoding.UTF8.GetBytes(marks.Open), Encoding.UTF8.GetBytes(marks.Close));
        // A format knows of reasoning only where this mark is a token.
        _closeToken = tokenizer.Find(marks.Close)!.Value;
        _closing = new TokenMask([_closeToken], tokenizer.VocabularySize);
    }

    /// <summary>What the whole answer is held to beside; null for nothing.</summary>
    public AnswerConstraint? Inner { get; }

    public override int VocabularySize => _tokenizer.VocabularySize;

    public override ConstraintCursor Begin() => new Cursor(this);

    private enum Place
    {
        Opening,
        Reasoning,
        Behind,
    }

    private sealed class Cursor(ReasoningLimit limit) : ConstraintCursor
    {
        private readonly ConstraintCursor? _inner = limit.Inner?.Begin();
        private Place _place = limit._beginsInReasoning ? Place.Reasoning : Place.Opening;
        private int _matched;
        private int _left = limit._mostTokens;

        public override TokenMask? Allowed
        {
            get
            {
                var allowed = _inner?.Allowed;
                var closes = _place == Place.Reasoning && _left == 0 && (allowed is null || allowed.Allows(limit._closeToken));
                return closes ? limit._closing : allowed;
            }
        }

        public override bool IsOver => _inner?.IsOver ?? false;

        public override void Advance(int token)
        {
            _inner?.Advance(token);
            if (_place == Place.Reasoning)
                _left = Math.Max(0, _left - 1);
            var (tokenizer, isControl) = (limit._tokenizer, limit._tokenizer.IsControl(token));
            foreach (var value in isControl ? tokenizer.ControlName(token) : tokenizer.Bytes(token))
                Take(value);
        }

        // The first character of a mark does not come again in it, so that whoever differs begins anew or not at all.
        private void Take(byte value)
        {
            if (_place == Place.Behind || (_place == Place.Opening && _matched == 0 && char.IsWhiteSpace((char)value)))
                return;
            var mark = _place == Place.Opening ? limit._open : limit._close;
            _matched = value == mark[_matched] ? _matched + 1 : value == mark[0] ? 1 : 0;
            if (_place == Place.Opening && _matched == 0)
                _place = Place.Behind;
            else if (_matched == mark.Length)
                (_place, _matched) = (_place + 1, 0);
        }
    }
}
