namespace Kvasir.Calls;

/// <summary>
/// Takes an answer's text apart as it comes: what the model thought, what it says, and what it calls. However the text is cut into pieces, the parts joined are
/// the same. What does not turn out to be a call is content, to the last character. One answer, one thread.
/// </summary>
public sealed class AnswerSplitter
{
    private readonly ReasoningMarks? _reasoning;
    private readonly CallSyntax? _calls;
    private readonly bool _isParallel;
    private readonly AnswerParts _parts;
    private readonly ChannelText? _channels;
    private Mode _mode;
    private string _pending = "";
    private string _spelled = "";
    private CallText? _call;
    private bool _isTold;
    private bool _trims;

    /// <param name="format">How the model answers.</param>
    /// <param name="hasTools">Whether calls are looked for.</param>
    /// <param name="isParallel">Whether more than one call may come; else the answer is over behind the first.</param>
    /// <param name="beginsInReasoning">Whether the prompt ended with the mark that opens what the model thinks.</param>
    /// <param name="stops">Texts that end what is said to the user, and the answer with it. In reasoning and in calls they are text.</param>
    public AnswerSplitter(
        AnswerFormat format, bool hasTools = false, bool isParallel = true, bool beginsInReasoning = false, IReadOnlyList<string>? stops = null)
    {
        ArgumentNullException.ThrowIfNull(format);
        _parts = new AnswerParts(stops);
        _channels = format.HasChannels ? new ChannelText(_parts, hasTools && format.HasTools, isParallel, beginsInReasoning) : null;
        (_reasoning, _calls, _isParallel) = (format.Reasoning, hasTools ? format.Calls : null, isParallel);
        (_mode, _trims) = beginsInReasoning && _reasoning is not null ? (Mode.Reasoning, true) : (Mode.Opening, false);
    }

    private enum Mode
    {
        /// <summary>Nothing was said yet.</summary>
        Opening,
        Reasoning,
        Content,

        /// <summary>Inside the object of a call.</summary>
        Call,

        /// <summary>Behind the object of a call.</summary>
        BehindCall,

        /// <summary>Between two calls, or behind the last.</summary>
        Between,
    }

    /// <summary>Calls that began.</summary>
    public int CallCount => _parts.BegunCalls;

    /// <summary>Whether every call that began is complete.</summary>
    public bool CallsAreComplete => _parts.BegunCalls == _parts.CompleteCalls;

    /// <summary>Whether a stop ended it, or one call was allowed and is complete: what follows is left out.</summary>
    public bool IsOver { get; private set; }

    /// <summary>The stop that ended it, by its index; -1 for none.</summary>
    public int MatchedStop => _parts.MatchedStop;

    /// <summary>Whether what comes next is what the model thinks.</summary>
    public bool IsReasoning => _channels?.IsReasoning ?? _mode == Mode.Reasoning;

    /// <summary>Parts that became certain with more text.</summary>
    public IReadOnlyList<AnswerPart> Push(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        _parts.Clear();
        if (_channels is not null)
        {
            if (!IsOver)
                _channels.Push(text);
            IsOver |= _channels.IsOver || MatchedStop >= 0;
            return _parts.Taken();
        }

        _pending += text;
        while (!IsOver && Advance())
        {
            // Until more text is needed.
        }

        return _parts.Taken();
    }

    /// <summary>The rest, when no more text comes: a mark that was not completed is text.</summary>
    public IReadOnlyList<AnswerPart> Finish()
    {
        _parts.Clear();
        if (IsOver)
            return [];
        if (_channels is not null)
            _channels.Finish();
        else if (_mode == Mode.Reasoning)
            Tell(AnswerPartKind.Reasoning, _pending.TrimEnd());
        else if (_mode == Mode.Call && !_isTold)
            Tell(AnswerPartKind.Content, _spelled + _call?.Text + _pending);
        else if (_mode is Mode.Opening or Mode.Content || (_mode is Mode.BehindCall or Mode.Between && !IsSyntax(_pending.Trim())))
            Tell(AnswerPartKind.Content, _mode == Mode.Opening && _trims ? _pending.TrimStart() : _pending);
        _pending = "";
        _parts.Flush();
        return _parts.Taken();
    }

    private bool Advance() => _pending.Length > 0 && _mode switch
    {
        Mode.Opening => Open(),
        Mode.Reasoning => Reason(),
        Mode.Content => Say(),
        Mode.Call => Call(),
        Mode.BehindCall => EndCall(),
        _ => Between(),
    };

    private bool Open()
    {
        var text = _pending.AsSpan().TrimStart();
        if (_reasoning is not null && !_trims && Begins(text, _reasoning.Open) is var isReasoning && isReasoning != false)
        {
            if (isReasoning is null)
                return false;
            (_pending, _mode, _trims) = (text[_reasoning.Open.Length..].ToString(), Mode.Reasoning, true);
            return true;
        }

        if (text.IsEmpty && (_trims || _calls is { Family: CallFamily.Bare }))
            return false;
        if (_calls is { Family: CallFamily.Bare } && text[0] == '{')
            return BeginCall(_pending[..^text.Length], text.ToString());
        _pending = _trims ? text.ToString() : _pending;
        _mode = Mode.Content;
        return true;
    }

    private bool Reason()
    {
        if (_trims)
            _pending = _pending.TrimStart();
        var (marks, at) = (_reasoning!, _pending.IndexOf(_reasoning!.Close, StringComparison.Ordinal));
        if (at >= 0)
        {
            Tell(AnswerPartKind.Reasoning, _pending[..at].TrimEnd());
            (_pending, _mode, _trims) = (_pending[(at + marks.Close.Length)..], Mode.Opening, true);
            return true;
        }

        // Blanks before the mark that closes are none of it.
        var end = _pending.AsSpan(0, _pending.Length - AnswerParts.PartialEnd(_pending, marks.Close)).TrimEnd().Length;
        _trims &= end == 0;
        Tell(AnswerPartKind.Reasoning, _pending[..end]);
        _pending = _pending[end..];
        return false;
    }

    private bool Say()
    {
        var mark = _calls?.Open ?? "";
        var at = mark.Length > 0 ? _pending.IndexOf(mark, StringComparison.Ordinal) : -1;
        if (at >= 0)
        {
            Tell(AnswerPartKind.Content, _pending[..at]);
            return BeginCall(mark, _pending[(at + mark.Length)..]);
        }

        var end = _pending.Length - (mark.Length > 0 ? AnswerParts.PartialEnd(_pending, mark) : 0);
        Tell(AnswerPartKind.Content, _pending[..end]);
        _pending = _pending[end..];
        return false;
    }

    private bool BeginCall(string spelled, string rest)
    {
        (_spelled, _pending, _mode, _call, _isTold) = (spelled, rest, Mode.Call, null, false);
        return true;
    }

    private bool Call()
    {
        if (_call is null && !ReachObject())
            return false;
        _pending = _pending[_call!.Push(_pending)..];
        if (_call.IsWrong)
        {
            Tell(AnswerPartKind.Content, _spelled + _call.Text);
            _mode = Mode.Content;
            return true;
        }

        if (_call.Name is null)
            return false;
        if (!_isTold)
            BeginTold(_call.Name);
        _parts.TellArguments(_call.TakeArguments());
        if (!_call.IsComplete)
            return false;
        // One whose arguments are no JSON never ends: nobody can call by it.
        if (_call.IsSound)
            _parts.EndCall();
        (_mode, IsOver) = (Mode.BehindCall, !_isParallel && _call.IsSound);
        return true;
    }

    private void BeginTold(string name)
    {
        _parts.BeginCall(name);
        _isTold = true;
    }

    // Blanks, and the bracket of a list, stand before the object.
    private bool ReachObject()
    {
        var text = _pending.AsSpan().TrimStart();
        if (_calls!.Family == CallFamily.List && text.StartsWith("["))
            text = text[1..].TrimStart();
        if (text.IsEmpty)
            return false;
        _spelled += _pending[..^text.Length];
        _pending = text.ToString();
        _call = new CallText(_calls.ArgumentsKey);
        return true;
    }

    private bool EndCall()
    {
        if (_calls!.Close.Length > 0)
        {
            var text = _pending.AsSpan().TrimStart();
            var isClosed = text.IsEmpty ? null : Begins(text, _calls.Close);
            if (isClosed is null)
                return false;
            _pending = isClosed.Value ? text[_calls.Close.Length..].ToString() : _pending;
        }

        _mode = Mode.Between;
        return true;
    }

    private bool Between()
    {
        var text = _pending.AsSpan().TrimStart();
        if (text.IsEmpty)
            return false;
        var (family, open) = (_calls!.Family, _calls.Open);
        if (family == CallFamily.Tagged && Begins(text, open) is var begins && begins != false)
            return begins is not null && BeginCall(open, text[open.Length..].ToString());
        if (family == CallFamily.List && text[0] == ',')
            return BeginCall(",", text[1..].ToString());
        if (family == CallFamily.Bare && text[0] is ';' or '{')
            return text.TrimStart("; \n\r\t") is { IsEmpty: false } next
                && (next[0] == '{' ? BeginCall(_pending[..^next.Length], next.ToString()) : ToContent(_pending));
        return ToContent(family == CallFamily.List && text[0] == ']' ? text[1..].ToString() : _pending);
    }

    private bool ToContent(string text)
    {
        (_pending, _mode) = (text, Mode.Content);
        return true;
    }

    private bool IsSyntax(string text) => text.Length == 0 || text is "," or ";" or "]" || _calls!.Close.StartsWith(text, StringComparison.Ordinal);

    private void Tell(AnswerPartKind kind, string text)
    {
        _parts.Tell(kind, text);
        IsOver |= MatchedStop >= 0;
    }

    // Null while more text decides.
    private static bool? Begins(ReadOnlySpan<char> text, string mark) => text.StartsWith(mark) ? true : mark.AsSpan().StartsWith(text) ? null : false;
}
