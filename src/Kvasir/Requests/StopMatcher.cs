using System.Text;
using Kvasir.Ground;
using Kvasir.Text.Words;

namespace Kvasir.Requests;

/// <summary>
/// The UTF-8 text of an answer as it grows. It releases only what no stop string can take back and what does not end inside a
/// character; stop strings may span tokens. Names of control tokens are looked at, and never released.
/// </summary>
internal sealed class StopMatcher
{
    public const int MaxStops = 16;
    public const int MaxStopBytes = 256;
    private readonly byte[][] _stops;
    private byte[] _text;

    // What waits to be released, [0, _waitingBytes): the text with the names between.
    private byte[] _waiting = new byte[2 * MaxStopBytes];
    private bool[] _isHidden = new bool[2 * MaxStopBytes];
    private byte[] _shown = new byte[2 * MaxStopBytes];
    private int _waitingBytes;

    /// <param name="capacityBytes">Text that fits without growing.</param>
    public StopMatcher(IReadOnlyList<string> stops, int capacityBytes)
    {
        _text = new byte[capacityBytes];
        _stops = new byte[stops.Count][];
        for (var i = 0; i < stops.Count; i++)
            _stops[i] = Encoding.UTF8.GetBytes(stops[i]);
    }

    /// <summary>Bytes [0, released) will not change any more.</summary>
    public int ReleasedBytes { get; private set; }

    /// <summary>The stop string that ended the text; -1 while none has.</summary>
    public int MatchedStop { get; private set; } = -1;

    /// <summary>A copy of stop strings that somebody else may hold.</summary>
    /// <exception cref="KvasirException">There are too many, or one is null, empty or too long.</exception>
    public static string[] Checked(IReadOnlyCollection<string> stops)
    {
        // Before they are copied: a list may say that it is longer than memory.
        if (stops.Count > MaxStops)
            throw new KvasirException(KvasirError.BadOption, $"{stops.Count} stop strings are more than the {MaxStops} allowed");
        string[] own = [.. stops];
        for (var i = 0; i < own.Length; i++)
        {
            var bytes = Encoding.UTF8.GetByteCount(own[i] ?? throw new KvasirException(KvasirError.BadOption, $"stop string {i} of {own.Length} is null"));
            if (bytes is 0 or > MaxStopBytes)
                throw new KvasirException(KvasirError.BadOption, $"a stop string of {bytes} bytes is outside 1 to {MaxStopBytes}");
        }

        return own;
    }

    /// <summary>Released text; another thread may read what was released before it looked.</summary>
    public string Text(int start, int end) => Encoding.UTF8.GetString(Volatile.Read(ref _text), start, end - start);

    /// <summary>Appends a token's bytes. True when a stop string is now complete; the text ends before it.</summary>
    public bool Append(ReadOnlySpan<byte> bytes) => Append(bytes, isHidden: false);

    /// <summary>
    /// Appends the name of a control token, which a stop string may spell, and which is no text. True as for <see cref="Append(ReadOnlySpan{byte})"/>.
    /// </summary>
    public bool AppendHidden(ReadOnlySpan<byte> name) => Append(name, isHidden: true);

    /// <summary>Releases everything: no more text will come.</summary>
    public void Finish()
    {
        if (MatchedStop < 0)
            Release(_waitingBytes);
    }

    private bool Append(ReadOnlySpan<byte> bytes, bool isHidden)
    {
        Invariant.Holds(MatchedStop < 0);
        // Without stop strings nobody looks at a name.
        if (isHidden && _stops.Length == 0)
            return false;
        ReserveWaiting(_waitingBytes + bytes.Length);
        bytes.CopyTo(_waiting.AsSpan(_waitingBytes));
        _isHidden.AsSpan(_waitingBytes, bytes.Length).Fill(isHidden);
        _waitingBytes += bytes.Length;
        if (FindStop())
            return true;
        Release(_waitingBytes - HeldBytes());
        return false;
    }

    // A stop string may be spelled with the names or in what is shown, across them.
    private bool FindStop()
    {
        var first = FirstStop(_waiting.AsSpan(0, _waitingBytes), int.MaxValue);
        var shown = Shown();
        if (shown.Length < _waitingBytes && FirstStop(shown, int.MaxValue) is var at and < int.MaxValue)
            first = Math.Min(first, PlaceOf(at));
        if (MatchedStop < 0)
            return false;
        Release(first);
        _waitingBytes = 0;
        return true;
    }

    private int FirstStop(ReadOnlySpan<byte> text, int first)
    {
        for (var i = 0; i < _stops.Length; i++)
        {
            var at = text.IndexOf(_stops[i]);
            if (at >= 0 && at < first)
                (first, MatchedStop) = (at, i);
        }

        return first;
    }

    // What follows the last place that nothing can take back: the beginning of a stop string at the end, or of a character.
    private int HeldBytes()
    {
        var end = _waitingBytes - LongestBeginning(_waiting.AsSpan(0, _waitingBytes));
        var shown = Shown();
        if (shown.Length < _waitingBytes && LongestBeginning(shown) is var held and > 0)
            end = Math.Min(end, PlaceOf(shown.Length - held));
        return _waitingBytes - CharacterEnd(end);
    }

    private int LongestBeginning(ReadOnlySpan<byte> text)
    {
        var held = 0;
        foreach (var stop in _stops)
        {
            for (var length = Math.Min(stop.Length - 1, text.Length); length > held; length--)
            {
                if (text[^length..].SequenceEqual(stop.AsSpan(0, length)))
                {
                    held = length;
                    break;
                }
            }
        }

        return held;
    }

    // What waits, without the names.
    private ReadOnlySpan<byte> Shown()
    {
        if (!_isHidden.AsSpan(0, _waitingBytes).Contains(true))
            return _waiting.AsSpan(0, _waitingBytes);
        var count = 0;
        for (var i = 0; i < _waitingBytes; i++)
        {
            if (!_isHidden[i])
                _shown[count++] = _waiting[i];
        }

        return _shown.AsSpan(0, count);
    }

    // Where among what waits the byte stands that is shown at this index.
    private int PlaceOf(int shownIndex)
    {
        for (var i = 0; i < _waitingBytes; i++)
        {
            if (!_isHidden[i] && shownIndex-- == 0)
                return i;
        }

        return _waitingBytes;
    }

    // The place at or before the given one where the text before it ends with a character. Names may lie within one: its other bytes are still to come.
    private int CharacterEnd(int end)
    {
        Span<byte> tail = stackalloc byte[3];
        Span<int> places = stackalloc int[3];
        var count = 0;
        for (var i = end - 1; i >= 0 && count < tail.Length; i--)
        {
            if (_isHidden[i])
                continue;
            count++;
            (tail[^count], places[^count]) = (_waiting[i], i);
        }

        var incomplete = Utf8.IncompleteTail(tail[^count..]);
        return incomplete == 0 ? end : places[^incomplete];
    }

    private void Release(int count)
    {
        Reserve(ReleasedBytes + count);
        var released = ReleasedBytes;
        for (var i = 0; i < count; i++)
        {
            if (!_isHidden[i])
                _text[released++] = _waiting[i];
        }

        _waiting.AsSpan(count, _waitingBytes - count).CopyTo(_waiting);
        _isHidden.AsSpan(count, _waitingBytes - count).CopyTo(_isHidden);
        _waitingBytes -= count;
        ReleasedBytes = released;
    }

    private void Reserve(int length)
    {
        if (length <= _text.Length)
            return;
        var grown = new byte[Math.Max(length, (int)Math.Min(2L * _text.Length, Array.MaxLength))];
        _text.AsSpan(0, ReleasedBytes).CopyTo(grown);
        Volatile.Write(ref _text, grown);
    }

    private void ReserveWaiting(int length)
    {
        if (length <= _waiting.Length)
            return;
        Array.Resize(ref _waiting, Math.Max(length, 2 * _waiting.Length));
        Array.Resize(ref _isHidden, _waiting.Length);
        Array.Resize(ref _shown, _waiting.Length);
    }
}
