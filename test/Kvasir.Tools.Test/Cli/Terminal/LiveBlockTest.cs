using Kvasir.Cli.Shared;
using Kvasir.Cli.Terminal;

namespace Kvasir.Tools.Test.Cli.Terminal;

public sealed class LiveBlockTest : IDisposable
{
    private readonly StringWriter _error = new();
    private readonly HandTurnedClock _clock = new();

    public void Dispose()
    {
        _error.Dispose();
        _clock.Dispose();
    }

    [Fact]
    public void LinesAreDrawnOverTheLastOnesAndWipedAtTheEnd()
    {
        string[] lines = ["a", "b"];
        using (var block = Block(isTerminal: true, quiet: false, () => lines))
        {
            block.Draw();
            lines = ["c"];
            _clock.Fire();
            block.Draw();
        }

        _clock.Fire();
        Assert.Equal("\ra\e[K\nb\e[K\n\e[J" + "\r\e[2Ac\e[K\n\e[J" + "\r\e[1Ac\e[K\n\e[J" + "\r\e[1A\e[J", _error.ToString());
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, true)]
    public void NothingIsDrawnElsewhereOrWhenQuiet(bool isTerminal, bool quiet)
    {
        using (var block = Block(isTerminal, quiet, static () => ["a"]))
            block.Draw();
        Assert.Equal("", _error.ToString());
    }

    private LiveBlock Block(bool isTerminal, bool quiet, Func<IReadOnlyList<string>> lines) =>
        new(new Shell(TextReader.Null, TextWriter.Null, _error) { ErrorIsTerminal = isTerminal }, quiet, lines, _clock);
}
