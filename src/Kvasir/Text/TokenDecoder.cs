using System.Text;

namespace Kvasir.Text;

/// <summary>
/// Text from tokens as they come. What a push returns never ends within a UTF-8 character: bytes wait until theirs is complete
/// or proves broken, and broken ones become U+FFFD. One stream, one thread.
/// </summary>
public sealed class TokenDecoder
{
    private readonly Tokenizer _tokenizer;

    private readonly Decoder _utf8 = Encoding.UTF8.GetDecoder();

    private readonly bool _dropsLeadingSpace;

    private bool _begun;

    internal TokenDecoder(Tokenizer tokenizer, bool dropsLeadingSpace) => (_tokenizer, _dropsLeadingSpace) = (tokenizer, dropsLeadingSpace);

    /// <summary>The text that <paramref name="token"/> completes; empty while a character is incomplete and for control tokens.</summary>
    public string Push(int token)
    {
        var bytes = _tokenizer.Bytes(token);
        if (bytes.IsEmpty)
            return "";
        if (!_begun && _dropsLeadingSpace && bytes[0] == ' ')
            bytes = bytes[1..];
        _begun = true;
        return Convert(bytes, flush: false);
    }

    /// <summary>Ends the stream: one U+FFFD for a character that stayed incomplete, else nothing. The decoder is then as new.</summary>
    public string Finish()
    {
        _begun = false;
        return Convert([], flush: true);
    }

    private string Convert(ReadOnlySpan<byte> bytes, bool flush)
    {
        var count = _utf8.GetCharCount(bytes, flush);
        if (count == 0)
        {
            _utf8.GetChars(bytes, [], flush);
            return "";
        }
        Span<char> text = count <= 256 ? stackalloc char[count] : new char[count];
        return new string(text[.._utf8.GetChars(bytes, text, flush)]);
    }
}
