using System.Text;
using Kvasir.Cli.Shared;

namespace Kvasir.Cli.Terminal;

/// <summary>Lines on the standard error stream of a terminal that are drawn again in place, and wiped at the end; elsewhere, and when quiet, nothing.</summary>
internal sealed class LiveBlock : IDisposable
{
    private static readonly TimeSpan Period = TimeSpan.FromMilliseconds(200);
    private readonly Lock _lock = new();
    private readonly Shell _shell;
    private readonly Func<IReadOnlyList<string>> _lines;
    private readonly ITimer? _timer;
    private int _drawnCount;
    private bool _isDone;

    /// <param name="lines">Narrower than the terminal, and fewer than its rows; called from the timer's thread as well.</param>
    public LiveBlock(Shell shell, bool quiet, Func<IReadOnlyList<string>> lines, TimeProvider? clock = null)
    {
        (_shell, _lines) = (shell, lines);
        if (!quiet && shell.ErrorIsTerminal)
            _timer = (clock ?? TimeProvider.System).CreateTimer(_ => Draw(), null, Period, Period);
    }

    /// <summary>Draws what the lines are now, without waiting for the next turn.</summary>
    public void Draw()
    {
        lock (_lock)
        {
            if (_timer is null || _isDone)
                return;
            var lines = _lines();
            var text = new StringBuilder(Back());
            foreach (var line in lines)
                text.Append(line).Append("\e[K\n");
            _shell.Error.Write(text.Append("\e[J").ToString());
            _drawnCount = lines.Count;
        }
    }

    public void Dispose()
    {
        _timer?.Dispose();
        lock (_lock)
        {
            if (_drawnCount > 0)
                _shell.Error.Write($"{Back()}\e[J");
            (_drawnCount, _isDone) = (0, true);
        }
    }

    private string Back() => _drawnCount > 0 ? $"\r\e[{_drawnCount}A" : "\r";
}
