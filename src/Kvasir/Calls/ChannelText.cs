using System.Text.Json;

namespace Kvasir.Calls;

/// <summary>
/// Takes apart what a model of channels writes (OpenAI's harmony): messages, each with a header that names its channel and whom it is for. What is in the
/// channel of analysis is thought, what is for a function is its arguments, and all else is said to the user. Text without a header is content.
/// </summary>
/// <param name="parts">Takes what became certain.</param>
/// <param name="hasTools">Whether calls are looked for.</param>
/// <param name="isParallel">Whether more than one call may come.</param>
/// <param name="beginsInReasoning">Whether the prompt ended with the header of analysis.</param>
internal sealed class ChannelText(AnswerParts parts, bool hasTools, bool isParallel, bool beginsInReasoning)
{
    public const string Start = "<|start|>";
    public const string Channel = "<|channel|>";
    public const string Message = "<|message|>";
    public const string End = "<|end|>";
    public const string Call = "<|call|>";
    public const string Return = "<|return|>";
    public const string Constrain = "<|constrain|>";
    public const string Analysis = "analysis";
    public const string Functions = "functions.";

    // Longer ones are no header.
    private const int MostHeader = 256;
    private const string Recipient = "to=";
    private static readonly string[] Ends = [End, Call, Return, Start];
    private string _pending = "";
    private string _arguments = "";
    private Place _place = beginsInReasoning ? Place.Body : Place.Header;
    private AnswerPartKind _kind = AnswerPartKind.Reasoning;
    private bool _hasSaid;

    /// <summary>All marks, whichever a vocabulary has.</summary>
    public static IReadOnlyList<string> Marks { get; } = [Start, Channel, Message, End, Call, Return, Constrain];

    private enum Place
    {
        Header,
        Body,

        /// <summary>Of text without headers, to the end.</summary>
        Plain,
    }

    public bool IsReasoning => _place == Place.Body && _kind == AnswerPartKind.Reasoning;

    /// <summary>Whether nothing that counts can follow.</summary>
    public bool IsOver { get; private set; }

    public void Push(string text)
    {
        _pending += text;
        while (!IsOver && _pending.Length > 0 && (_place == Place.Header ? ReadHeader() : ReadBody()))
        {
            // Until more text is needed.
        }
    }

    /// <summary>No more text comes.</summary>
    public void Finish()
    {
        if (_place == Place.Body && _kind == AnswerPartKind.CallBegin)
            EndCall(_pending, isClosed: false);
        else if (_place == Place.Body)
            Tell(_pending);
        else if (_place == Place.Plain || !IsHeader(isWhole: true))
            parts.Tell(AnswerPartKind.Content, _pending);
        _pending = "";
    }

    private bool ReadHeader()
    {
        var end = _pending.IndexOf(Message, StringComparison.Ordinal);
        if (end < 0 && _pending.Length <= MostHeader && IsHeader(isWhole: false))
            return false;
        if (end is < 0 or > MostHeader || !IsHeader(isWhole: true))
        {
            _place = Place.Plain;
            return true;
        }

        var header = _pending[..end];
        (_pending, _place, _arguments) = (_pending[(end + Message.Length)..], Place.Body, "");
        var (channel, recipient) = (Word(header, Channel), Word(header, Recipient));
        if (hasTools && recipient.StartsWith(Functions, StringComparison.Ordinal) && recipient.Length > Functions.Length)
        {
            _kind = AnswerPartKind.CallBegin;
            parts.BeginCall(recipient[Functions.Length..]);
            return true;
        }

        _kind = channel == Analysis ? AnswerPartKind.Reasoning : AnswerPartKind.Content;
        // Two messages to the user are two paragraphs.
        if (_kind == AnswerPartKind.Content && _hasSaid)
            parts.Tell(_kind, "\n\n");
        return true;
    }

    private bool ReadBody()
    {
        if (_place == Place.Plain)
        {
            parts.Tell(AnswerPartKind.Content, _pending);
            _pending = "";
            return false;
        }

        var (mark, at) = NextEnd();
        if (at < 0)
        {
            var certain = _pending.Length - Ends.Max(end => AnswerParts.PartialEnd(_pending, end));
            Tell(_pending[..certain]);
            _pending = _pending[certain..];
            return false;
        }

        if (_kind == AnswerPartKind.CallBegin)
            EndCall(_pending[..at], isClosed: true);
        else
            Tell(_pending[..at]);
        IsOver = mark == Return || (_kind == AnswerPartKind.CallBegin && !isParallel);
        (_pending, _place) = (_pending[(mark == Start ? at : at + mark.Length)..], Place.Header);
        return true;
    }

    private (string Mark, int At) NextEnd()
    {
        var (mark, at) = ("", -1);
        foreach (var end in Ends)
        {
            if (_pending.IndexOf(end, StringComparison.Ordinal) is var found && found >= 0 && (at < 0 || found < at))
                (mark, at) = (end, found);
        }

        return (mark, at);
    }

    private void Tell(string text)
    {
        if (_kind == AnswerPartKind.CallBegin)
        {
            _arguments += text;
            parts.TellArguments(text);
            return;
        }

        _hasSaid |= _kind == AnswerPartKind.Content && text.Length > 0;
        parts.Tell(_kind, text);
    }

    // One whose arguments are no JSON object never ends: nobody can call by it.
    private void EndCall(string rest, bool isClosed)
    {
        Tell(isClosed && string.IsNullOrWhiteSpace(_arguments + rest) ? "{}" : rest);
        if (IsObject(_arguments))
            parts.EndCall();
    }

    private static bool IsObject(string text)
    {
        try
        {
            using var json = JsonDocument.Parse(text);
            return json.RootElement.ValueKind == JsonValueKind.Object;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    // Whether a header begins here: by who is speaking, the channel, or whom it is for; or whether one may, once more text is there.
    private bool IsHeader(bool isWhole)
    {
        var text = _pending.AsSpan().TrimStart();
        foreach (var begin in (ReadOnlySpan<string>)[Start, Channel, Recipient])
        {
            if (text.StartsWith(begin) || (!isWhole && begin.AsSpan().StartsWith(text)))
                return true;
        }

        return false;
    }

    // The word behind a mark; empty where there is none.
    private static string Word(string header, string mark)
    {
        var at = header.IndexOf(mark, StringComparison.Ordinal);
        if (at < 0)
            return "";
        var word = header.AsSpan(at + mark.Length);
        var end = word.IndexOfAny(" \t\r\n<");
        return (end < 0 ? word : word[..end]).ToString();
    }
}
