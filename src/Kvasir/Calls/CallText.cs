using System.Text.Json;
using System.Text.RegularExpressions;

namespace Kvasir.Calls;

/// <summary>
/// One call's JSON object, read as it comes. The function's name is known when it and the beginning of its arguments are there; where the arguments come first,
/// when the object is complete. Until then nothing was said, and what turns out to be no call is text as it was.
/// </summary>
internal sealed partial class CallText(string argumentsKey)
{
    private const int MostDepth = 128;
    private string _text = "";
    private int _scanned;
    private int _depth;
    private bool _inString;
    private bool _isEscaped;
    private int _argumentsStart = -1;
    private int _argumentsEnd = -1;
    private int _told;

    /// <summary>All of it so far.</summary>
    public string Text => _text;

    /// <summary>The function's name; null while it is not known.</summary>
    public string? Name { get; private set; }

    /// <summary>Whether the object is complete: further text is refused.</summary>
    public bool IsComplete { get; private set; }

    /// <summary>Whether a complete object is JSON: models write some that is not.</summary>
    public bool IsSound { get; private set; }

    /// <summary>Whether it is no call, whatever follows.</summary>
    public bool IsWrong { get; private set; }

    /// <summary>Takes text as far as it belongs to the object.</summary>
    /// <returns>How much of it did.</returns>
    public int Push(ReadOnlySpan<char> text)
    {
        var taken = 0;
        while (taken < text.Length && !IsComplete && !IsWrong)
            Scan(text[taken++]);
        _text = string.Concat(_text, text[..taken]);
        _scanned = _text.Length;
        if (Name is null && !IsWrong)
            FindName();
        IsSound |= IsComplete && !IsWrong && IsJson(_text);
        return taken;
    }

    /// <summary>Arguments that were not told yet.</summary>
    public string TakeArguments()
    {
        if (Name is null || _argumentsStart < 0)
            return "";
        if (_argumentsEnd < 0)
            _argumentsEnd = EndOf(_argumentsStart);
        var end = _argumentsEnd < 0 ? _text.Length : _argumentsEnd;
        var start = _argumentsStart + _told;
        _told = end - _argumentsStart;
        return _text[start..end];
    }

    private void Scan(char c)
    {
        if (_scanned == 0 && _depth == 0 && c != '{')
        {
            IsWrong = true;
            return;
        }

        _scanned++;
        if (_inString)
        {
            (_inString, _isEscaped) = (_isEscaped || c != '"', !_isEscaped && c == '\\');
            return;
        }

        _inString = c == '"';
        _depth += c is '{' or '[' ? 1 : c is '}' or ']' ? -1 : 0;
        IsComplete = _depth == 0;
    }

    private void FindName()
    {
        var match = Beginning().Match(_text);
        if (match.Success && match.Groups["key"].Value == argumentsKey)
        {
            (Name, _argumentsStart) = (Unescaped(match.Groups["name"].Value), match.Length - 1);
            IsWrong = Name is null;
            return;
        }

        if (IsComplete)
            ReadWhole();
    }

    // The members in another order, or none: it is all there.
    private void ReadWhole()
    {
        try
        {
            using var document = JsonDocument.Parse(_text);
            var call = document.RootElement;
            if (!call.TryGetProperty("name", out var name) || name.ValueKind != JsonValueKind.String)
                throw new JsonException();
            var has = call.TryGetProperty(argumentsKey, out var arguments)
                || call.TryGetProperty(argumentsKey == "arguments" ? "parameters" : "arguments", out arguments);
            var raw = has && arguments.ValueKind == JsonValueKind.Object ? arguments.GetRawText() : !has ? "{}" : throw new JsonException();
            (Name, _text, _argumentsStart, _argumentsEnd) = (name.GetString(), raw, 0, raw.Length);
        }
        catch (Exception problem) when (problem is JsonException or InvalidOperationException)
        {
            IsWrong = true;
        }
    }

    private static bool IsJson(string text)
    {
        try
        {
            using var document = JsonDocument.Parse(text, new JsonDocumentOptions { MaxDepth = MostDepth });
            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    private static string? Unescaped(string literal)
    {
        try
        {
            using var document = JsonDocument.Parse(literal);
            return document.RootElement.GetString();
        }
        catch (Exception problem) when (problem is JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    private int EndOf(int start)
    {
        var (depth, inString) = (0, false);
        for (var i = start; i < _text.Length; i++)
        {
            var c = _text[i];
            if (inString && c == '\\')
                i++;
            else if (c == '"')
                inString = !inString;
            else if (!inString && c is '{' or '[')
                depth++;
            else if (!inString && c is '}' or ']' && --depth == 0)
                return i + 1;
        }

        return -1;
    }

    [GeneratedRegex("""^\{\s*"name"\s*:\s*(?<name>"(?:[^"\\]|\\.)*")\s*,\s*"(?<key>\w+)"\s*:\s*\{""")]
    private static partial Regex Beginning();
}
