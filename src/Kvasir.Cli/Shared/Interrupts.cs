namespace Kvasir.Cli.Shared;

/// <summary>
/// Ctrl-C and its like. Whoever can stop cleanly says how for as long as it runs; the first interrupt does that, and one that finds
/// nobody, or comes twice, is left to the system, which ends the process.
/// </summary>
internal sealed class Interrupts
{
    private Action? _stop;
    private Action? _leave;
    private Action? _reload;

    /// <summary>The exit code of the last interrupt; 0 while there was none.</summary>
    public int Code { get; private set; }

    /// <summary>Called from the signal's thread. False when nobody answers.</summary>
    public bool Raise(int exitCode)
    {
        Code = exitCode;
        var stop = Interlocked.Exchange(ref _stop, null);
        stop?.Invoke();
        return stop is not null || Abandon();
    }

    /// <summary>Called from the signal's thread when the terminal is gone; those who run without one take it for a wish to read their files again.</summary>
    public bool RaiseHangUp()
    {
        if (Volatile.Read(ref _reload) is not { } reload)
            return Raise(ExitCode.HungUp);
        reload();
        return true;
    }

    /// <summary>Until the result is disposed of, a hang-up calls this and ends nothing.</summary>
    public IDisposable Reloading(Action reload)
    {
        Volatile.Write(ref _reload, reload);
        return new Unloaded(this);
    }

    /// <summary>Called from the signal's thread when the process ends whatever anybody says. Always false: nobody answers.</summary>
    public bool Abandon()
    {
        Volatile.Read(ref _leave)?.Invoke();
        return false;
    }

    /// <summary>
    /// Until the result is disposed of, an interrupt that finds nobody calls this before the system ends the process: a terminal is put in order.
    /// </summary>
    public IDisposable Leaving(Action leave)
    {
        var earlier = _leave;
        Volatile.Write(ref _leave, leave);
        return new Left(this, earlier);
    }

    /// <summary>Runs <paramref name="work"/>; an interrupt meanwhile calls <paramref name="stop"/>.</summary>
    public void Guard(Action stop, Action work)
    {
        Code = 0;
        Volatile.Write(ref _stop, stop);
        try
        {
            work();
        }
        finally
        {
            Volatile.Write(ref _stop, null);
        }
    }

    private sealed class Unloaded(Interrupts interrupts) : IDisposable
    {
        public void Dispose() => Volatile.Write(ref interrupts._reload, null);
    }

    private sealed class Left(Interrupts interrupts, Action? earlier) : IDisposable
    {
        public void Dispose() => Volatile.Write(ref interrupts._leave, earlier);
    }
}
