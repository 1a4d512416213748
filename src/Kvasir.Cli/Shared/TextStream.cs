using System.Text;
using Kvasir.Files;

namespace Kvasir.Cli.Shared;

/// <summary>
/// Text from a pipe or a file by the rule of <see cref="PlainText"/>, line by line. A line that is no text is an error of that line: the next call reads on
/// behind it.
/// </summary>
internal sealed class TextStream(Stream stream, string source) : TextReader
{
    private const int LimitBytes = 1 << 30;
    private readonly byte[] _buffer = new byte[1 << 14];
    private readonly MemoryStream _line = new();
    private (int Start, int End) _read;
    private Encoding _encoding = Encoding.UTF8;
    private byte[] _feed = [];
    private byte[] _return = [];
    private int _number;
    private long _offset;
    private bool _isBegun;

    /// <exception cref="KvasirException">The line is no text, or is too long.</exception>
    public override string? ReadLine()
    {
        Begin();
        var start = _offset;
        _line.SetLength(0);
        while (TakeUnit())
        {
            if (_line.GetBuffer().AsSpan(0, (int)_line.Length).EndsWith(_feed))
                return Text(start, dropsEnd: true);
        }

        return _line.Length == 0 ? null : Text(start, dropsEnd: false);
    }

    /// <exception cref="KvasirException">The rest is no text, or is too long.</exception>
    public override string ReadToEnd()
    {
        Begin();
        var start = _offset;
        _line.SetLength(0);
        do
        {
            _line.Write(_buffer, _read.Start, _read.End - _read.Start);
            Require(_line.Length);
            _offset += _read.End - _read.Start;
        }
        while (Fill());
        return Text(start, dropsEnd: false);
    }

    // A byte order mark is looked for once. Its first byte tells whether to wait for more: a person may have typed one letter.
    private void Begin()
    {
        if (_isBegun)
            return;
        _isBegun = true;
        var wanted = Peek(0) switch { 0xFF or 0xFE => 2, 0xEF => 3, _ => 1 };
        for (var i = 1; i < wanted; i++)
            Peek(i);
        (_encoding, var markBytes) = PlainText.Recognize(_buffer.AsSpan(0, _read.End));
        (_feed, _return) = (_encoding.GetBytes("\n"), _encoding.GetBytes("\r"));
        (_read.Start, _offset) = (markBytes, markBytes);
    }

    // Only before anything is taken: the buffer has room behind.
    private int Peek(int index)
    {
        while (_read.End <= index)
        {
            var count = stream.Read(_buffer, _read.End, _buffer.Length - _read.End);
            if (count == 0)
                return -1;
            _read.End += count;
        }

        return _buffer[index];
    }

    private bool Fill()
    {
        _read = (0, stream.Read(_buffer));
        return _read.End > 0;
    }

    // A byte of UTF-8, two of UTF-16.
    private bool TakeUnit()
    {
        for (var left = _feed.Length; left > 0; left--)
        {
            if (_read.Start == _read.End && !Fill())
                return false;
            _line.WriteByte(_buffer[_read.Start++]);
            _offset++;
        }

        Require(_line.Length);
        return true;
    }

    private string Text(long start, bool dropsEnd)
    {
        ReadOnlySpan<byte> bytes = _line.GetBuffer().AsSpan(0, (int)_line.Length);
        if (dropsEnd)
            bytes = bytes[..^_feed.Length];
        if (dropsEnd && bytes.EndsWith(_return))
            bytes = bytes[..^_return.Length];
        return PlainText.DecodePart(bytes, _encoding, new TextPlace(source, ++_number, start));
    }

    private void Require(long bytes)
    {
        if (bytes > LimitBytes)
            throw new KvasirException(KvasirError.BadFile, $"{source}: more than {LimitBytes} bytes in one piece");
    }
}
