namespace Kvasir.Server.Stores;

/// <summary>
/// Replies of Redis' protocol as they come, looked at for how much they say that they have: the client believes every length, and one of two gigabytes
/// that never come ends the process. A value is at most <see cref="MostBytes"/>, and what is no reply is none.
/// </summary>
internal struct ReplyBounds
{
    /// <summary>Of a value: a part of a chunk is half as much.</summary>
    public const int MostBytes = 2 << 20;
    private const int MostLine = 64 << 10;
    private const int MostItems = 64 << 10;
    private const int EndBytes = 2;
    private long _valueBytes;
    private long _number;
    private int _lineBytes;
    private byte _kind;
    private bool _isNegative;

    /// <summary>Looks at what has come, which may end anywhere.</summary>
    /// <exception cref="IOException">It is no reply, or too much of one.</exception>
    public void Look(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            if (_valueBytes > 0)
            {
                var come = (int)Math.Min(_valueBytes, bytes.Length);
                _valueBytes -= come;
                bytes = bytes[come..];
                continue;
            }

            if (bytes[0] == (byte)'\n')
                EndLine();
            else
                Add(bytes[0]);
            bytes = bytes[1..];
        }
    }

    private readonly bool IsValue => _kind is (byte)'$' or (byte)'=' or (byte)'!';

    private readonly bool IsList => _kind is (byte)'*' or (byte)'%' or (byte)'~' or (byte)'>' or (byte)'|';

    private void Add(byte next)
    {
        if (_lineBytes++ == 0)
        {
            _kind = next;
            if (!IsValue && !IsList && !"+-:_,#("u8.Contains(next))
                throw new IOException("what came is no reply of Redis' protocol");
            return;
        }

        if (_lineBytes > MostLine)
            throw new IOException($"a line of a reply is longer than {MostLine} bytes");
        if ((!IsValue && !IsList) || next == (byte)'\r')
            return;
        if (next == (byte)'-' && _lineBytes == 2)
            _isNegative = true;
        else if (next is >= (byte)'0' and <= (byte)'9')
            _number = (10 * _number) + (next - (byte)'0');
        else
            throw new IOException("a reply has a length that is no number");
        if (_number > (IsValue ? MostBytes : MostItems))
            throw new IOException($"a reply says that it has more than {(IsValue ? MostBytes : MostItems)} {(IsValue ? "bytes" : "parts")}");
    }

    private void EndLine()
    {
        if (_lineBytes == 0 || (_isNegative && _number != 1))
            throw new IOException("what came is no reply of Redis' protocol");
        _valueBytes = IsValue && !_isNegative ? _number + EndBytes : 0;
        (_lineBytes, _number, _isNegative) = (0, 0, false);
    }
}
