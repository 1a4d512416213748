namespace Kvasir.Cli.Terminal;

/// <summary>Lines typed before, and the unfinished one that was left to look at them.</summary>
internal sealed class LineHistory
{
    private const int Limit = 1000;
    private readonly List<string> _lines = [];
    private string _draft = "";
    private int _index;

    /// <summary>Remembers a line, once in a row; the oldest of more than a thousand is forgotten.</summary>
    public void Add(string line)
    {
        if (line.Length > 0 && (_lines.Count == 0 || _lines[^1] != line))
            _lines.Add(line);
        if (_lines.Count > Limit)
            _lines.RemoveAt(0);
        Leave();
    }

    /// <summary>Back to the line that is being typed.</summary>
    public void Leave() => (_index, _draft) = (_lines.Count, "");

    /// <summary>The line before; null at the oldest.</summary>
    /// <param name="current">What is typed now; kept while older lines are shown.</param>
    public string? Older(string current)
    {
        if (_index == 0)
            return null;
        if (_index == _lines.Count)
            _draft = current;
        return _lines[--_index];
    }

    /// <summary>The line after, in the end the one that was being typed; null when that is shown already.</summary>
    public string? Newer()
    {
        if (_index == _lines.Count)
            return null;
        return ++_index == _lines.Count ? _draft : _lines[_index];
    }
}
