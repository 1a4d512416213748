using Kvasir.Cli.Shared;

namespace Kvasir.Cli.Terminal;

/// <summary>
/// How far something has come, on the standard error stream while it runs: one row that is drawn again on a terminal, a plain line
/// every few seconds elsewhere, nothing when quiet. Quick work shows nothing.
/// </summary>
internal sealed class ProgressLine : IDisposable
{
    private static readonly TimeSpan TerminalDelay = TimeSpan.FromMilliseconds(400);
    private static readonly TimeSpan TerminalPeriod = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan PlainPeriod = TimeSpan.FromSeconds(5);
    private readonly Lock _lock = new();
    private readonly Shell _shell;
    private readonly Func<string> _text;
    private readonly ITimer? _timer;
    private readonly IDisposable? _leaving;
    private bool _isDrawn;
    private bool _isDone;

    /// <param name="text">Called from the timer's thread whenever the line is shown.</param>
    public ProgressLine(Shell shell, bool quiet, Func<string> text, TimeProvider? clock = null)
    {
        (_shell, _text) = (shell, text);
        if (quiet)
            return;
        var (delay, period) = shell.ErrorIsTerminal ? (TerminalDelay, TerminalPeriod) : (PlainPeriod, PlainPeriod);
        // An interrupt that ends the process finds no line of ours on the terminal.
        _leaving = shell.Interrupts.Leaving(Wipe);
        _timer = (clock ?? TimeProvider.System).CreateTimer(_ => Show(), null, delay, period);
    }

    /// <summary>Ends the line and wipes it; nothing is written afterwards.</summary>
    public void Dispose()
    {
        _timer?.Dispose();
        _leaving?.Dispose();
        Wipe();
    }

    private void Wipe()
    {
        lock (_lock)
        {
            if (_isDrawn)
                _shell.Error.Write("\r\e[K");
            (_isDrawn, _isDone) = (false, true);
        }
    }

    private void Show()
    {
        lock (_lock)
        {
            if (_isDone)
                return;
            var text = _text();
            if (_shell.ErrorIsTerminal)
                _shell.Error.Write($"\r{Fitting(text)}\e[K");
            else
                _shell.Error.WriteLine(text);
            _isDrawn = _shell.ErrorIsTerminal;
        }
    }

    private string Fitting(string text) => text.Length < _shell.Columns() ? text : text[..Math.Max(0, _shell.Columns() - 1)];
}
