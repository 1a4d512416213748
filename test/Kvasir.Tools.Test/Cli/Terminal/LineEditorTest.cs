using Kvasir.Cli.Terminal;

namespace Kvasir.Tools.Test.Cli.Terminal;

public sealed class LineEditorTest
{
    [Fact]
    public void KeysThatNobodyLookedBetweenActInOrder()
    {
        var history = new LineHistory();
        history.Add("old");
        var editor = new LineEditor(history);
        foreach (var key in new[] { Key.Of('b'), Key.Plain(ConsoleKey.Home), Key.Of('a'), Key.Plain(ConsoleKey.UpArrow), Key.Of('x'), Key.Plain(ConsoleKey.DownArrow), Key.Of('y') })
            editor.Press(key);
        Assert.Equal(("aby", 3), (editor.Text, editor.Cursor));
    }


    private readonly LineHistory _history = new();
    private readonly LineEditor _editor;

    public LineEditorTest() => _editor = new LineEditor(_history);

    [Fact]
    public void TextGoesInAtTheCursor()
    {
        Type("helo");
        Press(Key.Plain(ConsoleKey.LeftArrow));
        Type("l");
        AssertLine("hell|o");
        Press(Key.Plain(ConsoleKey.Home));
        Type(">");
        AssertLine(">|hello");
        Press(Key.Plain(ConsoleKey.End), Key.Plain(ConsoleKey.RightArrow));
        AssertLine(">hello|");
    }

    [Fact]
    public void DeletionGoesBothWaysAndStopsAtTheEnds()
    {
        Type("abc");
        Press(Key.Plain(ConsoleKey.LeftArrow), Key.Plain(ConsoleKey.Backspace));
        AssertLine("a|c");
        Press(Key.Plain(ConsoleKey.Delete), Key.Plain(ConsoleKey.Delete));
        AssertLine("a|");
        Press(Key.Plain(ConsoleKey.Backspace), Key.Plain(ConsoleKey.Backspace), Key.Plain(ConsoleKey.LeftArrow));
        AssertLine("|");
    }

    [Fact]
    public void ControlKeysMoveAndErase()
    {
        Type("one two three");
        Press(Key.Of('\x17'));
        AssertLine("one two |");
        Press(Key.Of('\x01'));
        AssertLine("|one two ");
        Press(Key.Of('\x06'), Key.Of('\x0b'));
        AssertLine("o|");
        Press(Key.Of('\x19'));
        AssertLine("one two |");
        Press(Key.Of('\x02'), Key.Of('\x15'));
        AssertLine("| ");
        Press(Key.Of('\x05'), Key.Of('\x08'));
        AssertLine("|");
    }

    [Fact]
    public void WordsAreSteps()
    {
        Type("one, two");
        Press(Key.Control(ConsoleKey.LeftArrow));
        AssertLine("one, |two");
        Press(Key.Alt(ConsoleKey.B, 'b'));
        AssertLine("|one, two");
        Press(Key.Alt(ConsoleKey.F, 'f'), Key.Control(ConsoleKey.RightArrow));
        AssertLine("one, two|");
        Press(Key.Alt(ConsoleKey.Backspace));
        AssertLine("one, |");
    }

    [Theory]
    [InlineData("\U0001F600")]
    [InlineData("e\u0301")]
    [InlineData("\U0001F1E9\U0001F1EA")]
    [InlineData("\U0001F469\u200D\U0001F469\u200D\U0001F467")]
    [InlineData("漢")]
    public void WhatLooksLikeOneCharacterIsPassedAndDeletedAsOne(string character)
    {
        Type($"a{character}b");
        Press(Key.Plain(ConsoleKey.LeftArrow), Key.Plain(ConsoleKey.LeftArrow));
        AssertLine($"a|{character}b");
        Press(Key.Plain(ConsoleKey.RightArrow), Key.Plain(ConsoleKey.Backspace));
        AssertLine("a|b");
    }

    [Fact]
    public void HalvesOfAPairThatStandAloneAreDropped()
    {
        Type("a\uDE00b\uD83Dc");
        AssertLine("abc|");
    }

    [Fact]
    public void HistoryKeepsTheUnfinishedLine()
    {
        _history.Add("first");
        _history.Add("second");
        _history.Add("second");
        Type("dra");
        Press(Key.Plain(ConsoleKey.UpArrow));
        AssertLine("second|");
        Press(Key.Of('\x10'), Key.Plain(ConsoleKey.UpArrow));
        AssertLine("first|");
        Press(Key.Plain(ConsoleKey.DownArrow), Key.Of('\x0e'), Key.Plain(ConsoleKey.DownArrow));
        AssertLine("dra|");
    }

    [Fact]
    public void KeysThatEndALine()
    {
        Assert.Equal(LineAction.End, _editor.Press(Key.Of('\x04')));
        Type("ab");
        Press(Key.Plain(ConsoleKey.Home));
        Assert.Equal(LineAction.Redraw, _editor.Press(Key.Of('\x04')));
        AssertLine("|b");
        Assert.Equal(LineAction.Submit, _editor.Press(Key.Of('\r')));
        Assert.Equal(LineAction.Interrupt, _editor.Press(Key.Of('\x03')));
        Assert.Equal(OperatingSystem.IsWindows() ? LineAction.Redraw : LineAction.Quit, _editor.Press(Key.Control(ConsoleKey.D4, '\x1c')));
        Assert.Equal(LineAction.ClearScreen, _editor.Press(Key.Of('\x0c')));
    }

    [Fact]
    public void APasteKeepsItsLineBreaks()
    {
        Type("<\e[200~one\rtwo\t\x15three\e[201~>");
        AssertLine("<one\ntwo\tthree>|");
        Assert.Equal(LineAction.Submit, _editor.Press(Key.Of('\r')));
    }

    [Fact]
    public void UnknownSequencesLeaveNothingBehind()
    {
        Type("a\e[1;99Xb\eOPc");
        AssertLine("abc|");
        Type("\ed");
        AssertLine("abcd|");
    }

    private void Type(string text)
    {
        foreach (var c in text)
            Assert.Equal(LineAction.Redraw, _editor.Press(Key.Of(c)));
    }

    private void Press(params ConsoleKeyInfo[] keys)
    {
        foreach (var key in keys)
            Assert.Equal(LineAction.Redraw, _editor.Press(key));
    }

    // A bar stands for the cursor.
    private void AssertLine(string expected) => Assert.Equal(expected, _editor.Text.Insert(_editor.Cursor, "|"));
}
