using System.Text;
using Kvasir.Text;

namespace Kvasir;

/// <summary>
/// The UTF-8 text of an answer as it grows. It releases only what no stop string can take back and what does not end inside a
/// character; stop strings may span tokens.
/// </summary>
internal sealed class StopMatcher
{
    public const int MaxStops = 16;
    public const int MaxStopBytes = 256;
    private readonly byte[][] _stops;
    private byte[] _text;
    private int _length;

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

    public static void Validate(string stop)
    {
        var bytes = Encoding.UTF8.GetByteCount(stop);
        if (bytes is 0 or > MaxStopBytes)
            throw new KvasirException(KvasirError.BadOption, $"a stop string of {bytes} bytes is outside 1 to {MaxStopBytes}");
    }

    /// <summary>Released text; another thread may read what was released before it looked.</summary>
    public string Text(int start, int end) => Encoding.UTF8.GetString(Volatile.Read(ref _text), start, end - start);

    /// <summary>Appends a token's bytes. True when a stop string is now complete; the text ends before it.</summary>
    public bool Append(ReadOnlySpan<byte> bytes)
    {
        Invariant.Holds(MatchedStop < 0);
        Reserve(_length + bytes.Length);
        bytes.CopyTo(_text.AsSpan(_length));
        _length += bytes.Length;
        if (FindStop())
            return true;
        ReleasedBytes = Math.Max(ReleasedBytes, _length - HeldBytes());
        return false;
    }

    /// <summary>Releases everything: no more text will come.</summary>
    public void Finish()
    {
        if (MatchedStop < 0)
            ReleasedBytes = _length;
    }

    private bool FindStop()
    {
        // What was released cannot begin a stop string, so the search begins there.
        var unreleased = _text.AsSpan(ReleasedBytes, _length - ReleasedBytes);
        var first = int.MaxValue;
        for (var i = 0; i < _stops.Length; i++)
        {
            var at = unreleased.IndexOf(_stops[i]);
            if (at >= 0 && at < first)
                (first, MatchedStop) = (at, i);
        }

        if (MatchedStop < 0)
            return false;
        ReleasedBytes += first;
        _length = ReleasedBytes;
        return true;
    }

    private int HeldBytes()
    {
        var unreleased = _text.AsSpan(ReleasedBytes, _length - ReleasedBytes);
        var held = Utf8.IncompleteTail(unreleased);
        foreach (var stop in _stops)
        {
            for (var length = Math.Min(stop.Length - 1, unreleased.Length); length > held; length--)
            {
                if (unreleased[^length..].SequenceEqual(stop.AsSpan(0, length)))
                {
                    held = length;
                    break;
                }
            }
        }

        return held;
    }

    private void Reserve(int length)
    {
        if (length <= _text.Length)
            return;
        var grown = new byte[Math.Max(length, 2 * _text.Length)];
        _text.AsSpan(0, _length).CopyTo(grown);
        Volatile.Write(ref _text, grown);
    }
}
