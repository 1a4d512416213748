using Kvasir.Cli.Terminal;

namespace Kvasir.Tools.Test.Cli.Terminal;

public sealed class CellWidthTest
{
    [Theory]
    [InlineData("", 0)]
    [InlineData("abc", 3)]
    [InlineData("é", 1)]
    [InlineData("e\u0301", 1)]
    [InlineData("漢字", 4)]
    [InlineData("ｱ", 1)]
    [InlineData("Ａ", 2)]
    [InlineData("한", 2)]
    [InlineData("\U0001F600", 2)]
    [InlineData("\u2764\uFE0F", 2)]
    [InlineData("\u2764", 1)]
    [InlineData("\U0001F1E9\U0001F1EA", 2)]
    [InlineData("\U0001F469\u200D\U0001F469\u200D\U0001F467", 2)]
    [InlineData("\U00020000", 2)]
    public void TextTakesItsColumns(string text, int columns) => Assert.Equal(columns, CellWidth.Of(text));
}
