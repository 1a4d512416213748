namespace Kvasir.Tools.Test.Support;

/// <summary>A string writer that does something once, when what was written so far meets a condition.</summary>
internal sealed class WatchedWriter(Func<string, bool> isDue, Action act) : StringWriter
{
    private bool _isDone;

    public override void Write(string? value)
    {
        base.Write(value);
        if (_isDone || !isDue(ToString()))
            return;
        _isDone = true;
        act();
    }
}
