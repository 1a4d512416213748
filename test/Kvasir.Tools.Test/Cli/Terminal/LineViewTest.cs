using Kvasir.Cli.Terminal;

namespace Kvasir.Tools.Test.Cli.Terminal;

public sealed class LineViewTest
{
    [Theory]
    [InlineData("", 0, "\r> \e[K\r\e[2C")]
    [InlineData("abc", 1, "\r> abc\e[K\r\e[3C")]
    [InlineData("漢字", 2, "\r> 漢字\e[K\r\e[6C")]
    [InlineData("e\u0301x", 2, "\r> e\u0301x\e[K\r\e[3C")]
    [InlineData("a\nb", 3, "\r> a⏎b\e[K\r\e[5C")]
    [InlineData("\e[31m", 5, "\r> ·[31m\e[K\r\e[7C")]
    public void ALineThatFitsIsShownWhole(string text, int cursor, string drawn) => Assert.Equal(drawn, LineView.Draw("> ", text, cursor, 40));

    [Fact]
    public void ALongLineShowsTheCursorsSurroundings()
    {
        Assert.Equal("\r> abcdef…\e[K\r\e[2C", LineView.Draw("> ", "abcdefghijklm", 0, 10));
        Assert.Equal("\r> …hijklm\e[K\r\e[9C", LineView.Draw("> ", "abcdefghijklm", 13, 10));
        Assert.Equal("\r> …efgh…\e[K\r\e[5C".Length, LineView.Draw("> ", "abcdefghijklm", 6, 9).Length);
    }

    [Theory]
    [InlineData("a", 40_000)]
    [InlineData("漢字 x", 20_001)]
    [InlineData("e\u0301\n", 30_001)]
    public void ALongLineIsDrawnAsItsSurroundingsAre(string part, int cursor)
    {
        var text = string.Concat(Enumerable.Repeat(part, 60_000 / part.Length));
        cursor -= cursor % part.Length;
        // A row of 40 columns shows nothing that lies farther away than 200 characters.
        Assert.Equal(LineView.Draw("> ", text[(cursor - 400)..(cursor + 400)], 400, 40).Length, LineView.Draw("> ", text, cursor, 40).Length);
        var bytes = AllocatedBytes.Of(() => LineView.Draw("> ", text + "aa", text.Length + 2, 40));
        Assert.True(bytes < 2 * text.Length + 100_000, "all of the text was looked at");
    }

    [Fact]
    public void NothingIsWiderThanTheTerminal()
    {
        const int Seed = 4;
        var random = new Random(Seed);
        string[] elements = ["a", "漢", "e\u0301", "\U0001F600", "\n", "\U0001F1E9\U0001F1EA", " "];
        for (var round = 0; round < 500; round++)
        {
            var parts = Enumerable.Range(0, random.Next(60)).Select(_ => elements[random.Next(elements.Length)]).ToArray();
            var cursor = string.Concat(parts.Take(random.Next(parts.Length + 1))).Length;
            var columns = random.Next(10, 50);
            var drawn = LineView.Draw("> ", string.Concat(parts), cursor, columns);
            var row = drawn[1..drawn.IndexOf("\e[K", StringComparison.Ordinal)];
            var place = int.Parse(drawn[(drawn.LastIndexOf('[') + 1)..^1], System.Globalization.CultureInfo.InvariantCulture);
            Assert.True(CellWidth.Of(row) < columns && place < columns && place <= CellWidth.Of(row), $"seed {Seed}, round {round}: {columns} columns, cursor at {place}, row '{row}'");
        }
    }
}
