namespace Kvasir.Jinja.Values;

/// <summary>
/// A template that cannot be read or run; <see cref="Kvasir.Text.ChatTemplate"/> turns it into a <see cref="KvasirException"/> with the template's name.
/// </summary>
internal sealed class JinjaFailure : Exception
{
    public JinjaFailure(string message, int line = 0)
        : base(message) => Line = line;

    /// <summary>Line in the template, from 1; 0 until a node has claimed the failure.</summary>
    public int Line { get; private set; }

    /// <summary>
    /// Used as an exception filter, so that it is always false: filters run from the innermost frame outwards, hence the first node to claim the failure
    /// is the one whose operation failed.
    /// </summary>
    public bool Claim(int line)
    {
        if (Line == 0)
            Line = line;
        return false;
    }
}
