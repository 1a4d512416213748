namespace Kvasir.Calls;

/// <summary>Content as it grows, up to the first of some texts that end it. What may be the beginning of one is held back.</summary>
internal sealed class StopText(IReadOnlyList<string> stops)
{
    private string _held = "";

    /// <summary>The text that ended it, by its index; -1 while none has.</summary>
    public int Matched { get; private set; } = -1;

    /// <summary>What no stop can take back any more.</summary>
    public string Push(string text)
    {
        _held += text;
        var first = int.MaxValue;
        for (var i = 0; i < stops.Count; i++)
        {
            if (_held.IndexOf(stops[i], StringComparison.Ordinal) is >= 0 and var at && at < first)
                (first, Matched) = (at, i);
        }

        return Take(Matched >= 0 ? first : _held.Length - LongestBeginning());
    }

    /// <summary>The rest, when no more content follows.</summary>
    public string Flush() => Take(_held.Length);

    private string Take(int count)
    {
        var text = _held[..count];
        _held = Matched >= 0 ? "" : _held[count..];
        return text;
    }

    private int LongestBeginning()
    {
        var held = 0;
        foreach (var stop in stops)
        {
            for (var length = Math.Min(stop.Length - 1, _held.Length); length > held; length--)
            {
                if (_held.EndsWith(stop[..length], StringComparison.Ordinal))
                {
                    held = length;
                    break;
                }
            }
        }

        return held;
    }
}
