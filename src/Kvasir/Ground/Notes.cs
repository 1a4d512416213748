namespace Kvasir;

/// <summary>
/// What was passed over while files were read, a line each. What a file says beside its sizes, layout and arithmetic is advice: where it
/// cannot be followed it counts as absent, and a note says so. Sizes, layout and arithmetic are refused instead.
/// </summary>
public sealed class Notes
{
    // Whoever repairs a file begins with the first.
    private const int Limit = 100;
    private readonly List<string> _lines = [];

    /// <summary>Each once, in the order in which they came.</summary>
    public IReadOnlyList<string> Lines
    {
        get
        {
            lock (_lines)
                return [.. _lines];
        }
    }

    internal void Add(string line)
    {
        lock (_lines)
        {
            if (_lines.Count < Limit && !_lines.Contains(line))
                _lines.Add(line);
        }
    }

    /// <summary>What a file advises, read as strictly as anything else; where that is refused, <paramref name="absent"/> and a note with the reason.</summary>
    internal T Advice<T>(Func<T> read, T absent)
    {
        try
        {
            return read();
        }
        catch (KvasirException refusal)
        {
            Add($"{refusal.Message}; it counts as absent");
            return absent;
        }
    }
}
