using System.Security.Cryptography;

namespace Kvasir.Calls;

/// <summary>
/// Parts of an answer that became certain, and the calls among them. Texts that end an answer do so in content, and are held back until it is known.
/// </summary>
internal sealed class AnswerParts(IReadOnlyList<string>? stops)
{
    private const string IdLetters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    private readonly StopText? _stops = stops is { Count: > 0 } ? new StopText(stops) : null;
    private readonly List<AnswerPart> _parts = [];

    /// <summary>Calls that began.</summary>
    public int BegunCalls { get; private set; }

    public int CompleteCalls { get; private set; }

    /// <summary>The stop that ended it, by its index; -1 for none.</summary>
    public int MatchedStop => _stops?.Matched ?? -1;

    public void Clear() => _parts.Clear();

    public AnswerPart[] Taken() => _parts.Count > 0 ? [.. _parts] : [];

    public void Tell(AnswerPartKind kind, string text)
    {
        if (kind == AnswerPartKind.Content && _stops is not null)
            text = _stops.Push(text);
        if (text.Length > 0)
            _parts.Add(new AnswerPart(kind, text));
    }

    /// <summary>Content that no stop has ended goes before what is none.</summary>
    public void Flush()
    {
        if (_stops?.Flush() is { Length: > 0 } text)
            _parts.Add(new AnswerPart(AnswerPartKind.Content, text));
    }

    public void BeginCall(string name)
    {
        Flush();
        _parts.Add(new AnswerPart(AnswerPartKind.CallBegin, name, BegunCalls++, "call_" + RandomNumberGenerator.GetString(IdLetters, 24)));
    }

    public void TellArguments(string text)
    {
        if (text.Length > 0)
            _parts.Add(new AnswerPart(AnswerPartKind.CallArguments, text, BegunCalls - 1));
    }

    public void EndCall()
    {
        _parts.Add(new AnswerPart(AnswerPartKind.CallEnd, "", BegunCalls - 1));
        CompleteCalls++;
    }

    /// <summary>Characters at the end of a text that may be the beginning of a mark.</summary>
    public static int PartialEnd(string text, string mark)
    {
        for (var length = Math.Min(text.Length, mark.Length - 1); length > 0; length--)
        {
            if (text.AsSpan(text.Length - length).SequenceEqual(mark.AsSpan(0, length)))
                return length;
        }

        return 0;
    }
}
