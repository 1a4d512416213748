using Kvasir.Cli.Shared;
using Kvasir.Cli.Terminal;

namespace Kvasir.Tools.Test.Cli.Terminal;

public sealed class ProgressLineTest : IDisposable
{
    private readonly StringWriter _error = new();
    private readonly HandTurnedClock _clock = new();
    private readonly Interrupts _interrupts = new();

    public void Dispose()
    {
        _error.Dispose();
        _clock.Dispose();
    }

    [Fact]
    public void ATerminalHasOneRowThatIsWipedAtTheEnd()
    {
        var done = 0;
        using (Line(isTerminal: true, quiet: false, () => $"{++done} of 3 in a long, long line"))
        {
            Assert.Equal(200, _clock.Period.TotalMilliseconds);
            _clock.Fire();
            _clock.Fire();
        }

        _clock.Fire();
        Assert.Equal("\r1 of 3 in a long, l\e[K\r2 of 3 in a long, l\e[K\r\e[K", _error.ToString());
    }

    [Fact]
    public void ElsewhereThereIsALineEveryFewSeconds()
    {
        using (Line(isTerminal: false, quiet: false, static () => "half"))
        {
            Assert.Equal(5, _clock.Period.TotalSeconds);
            _clock.Fire();
        }

        Assert.Equal("half" + Environment.NewLine, _error.ToString());
    }

    [Fact]
    public void QuietShowsNothing()
    {
        using (Line(isTerminal: true, quiet: true, static () => "half"))
            Assert.Equal(TimeSpan.Zero, _clock.Period);
        Assert.Equal("", _error.ToString());
    }

    [Fact]
    public void AnInterruptThatEndsTheProcessWipesTheLine()
    {
        using var line = Line(isTerminal: true, quiet: false, static () => "half");
        _clock.Fire();
        Assert.False(_interrupts.Raise(ExitCode.Interrupted));
        _clock.Fire();
        Assert.Equal("\rhalf\e[K\r\e[K", _error.ToString());
    }

    [Fact]
    public void SoDoesTheSecondOfTwo()
    {
        using var line = Line(isTerminal: true, quiet: false, static () => "half");
        _clock.Fire();
        _interrupts.Guard(static () => { }, () =>
        {
            Assert.True(_interrupts.Raise(ExitCode.Interrupted));
            Assert.Equal("\rhalf\e[K", _error.ToString());
            Assert.False(_interrupts.Raise(ExitCode.Interrupted));
        });
        Assert.Equal("\rhalf\e[K\r\e[K", _error.ToString());
    }

    private ProgressLine Line(bool isTerminal, bool quiet, Func<string> text) =>
        new(
            new Shell(TextReader.Null, TextWriter.Null, _error) { ErrorIsTerminal = isTerminal, Columns = static () => 20, Interrupts = _interrupts },
            quiet,
            text,
            _clock);
}
