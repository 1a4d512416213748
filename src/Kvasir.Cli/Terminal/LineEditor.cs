using System.Globalization;
using System.Text;

namespace Kvasir.Cli.Terminal;

/// <summary>
/// A line under a cursor, edited key by key. It knows nothing of a screen: <see cref="LineView"/> draws it. The cursor stands between
/// text elements, so that an accented letter or a flag is passed and deleted as one.
/// </summary>
internal sealed class LineEditor(LineHistory history)
{
    private readonly EscapeKeys _escapes = new();
    private string _killed = "";
    private char _highSurrogate;

    // Typed at the cursor, and not yet in the text: a paste comes in letters, and each would move all that is there.
    private readonly StringBuilder _typed = new();

    public string Text
    {
        get
        {
            Settle();
            return field;
        }
        private set
        {
            Settle();
            field = value;
        }
    } = "";

    /// <summary>UTF-16 index in <see cref="Text"/>.</summary>
    public int Cursor
    {
        get
        {
            Settle();
            return field;
        }
        private set
        {
            Settle();
            field = value;
        }
    }

    /// <summary>Begins an empty line.</summary>
    public void Clear()
    {
        _typed.Clear();
        (Text, Cursor, _highSurrogate) = ("", 0, '\0');
        history.Leave();
    }

    public LineAction Press(ConsoleKeyInfo key)
    {
        if (_escapes.Takes(key))
            return LineAction.Redraw;
        // Keys of a pasted text are text, whatever they would do when typed.
        if (_escapes.IsPasting)
            return Paste(key);
        if (key.Modifiers.HasFlag(ConsoleModifiers.Control) && !key.Modifiers.HasFlag(ConsoleModifiers.Alt))
            return PressControl(key);
        if (key.Modifiers.HasFlag(ConsoleModifiers.Alt) && !IsText(key))
            return PressAlt(key);
        return PressPlain(key);
    }

    private static bool IsText(ConsoleKeyInfo key) => key.KeyChar >= ' ' && key.KeyChar != '\x7f' && !key.Modifiers.HasFlag(ConsoleModifiers.Alt);

    private LineAction Paste(ConsoleKeyInfo key)
    {
        if (key.Key == ConsoleKey.Enter || key.KeyChar is '\r' or '\n')
            Insert('\n');
        else if (key.KeyChar == '\t' || key.KeyChar >= ' ')
            Insert(key.KeyChar);
        return LineAction.Redraw;
    }

    private LineAction PressPlain(ConsoleKeyInfo key)
    {
        switch (key.Key)
        {
            case ConsoleKey.Enter:
                return LineAction.Submit;
            case ConsoleKey.LeftArrow:
                Cursor = Before(Cursor);
                break;
            case ConsoleKey.RightArrow:
                Cursor = After(Cursor);
                break;
            case ConsoleKey.Home:
                Cursor = 0;
                break;
            case ConsoleKey.End:
                Cursor = Text.Length;
                break;
            case ConsoleKey.UpArrow:
                Replace(history.Older(Text));
                break;
            case ConsoleKey.DownArrow:
                Replace(history.Newer());
                break;
            case ConsoleKey.Backspace:
                Delete(Before(Cursor), Cursor);
                break;
            case ConsoleKey.Delete:
                Delete(Cursor, After(Cursor));
                break;
            default:
                if (IsText(key) || key.KeyChar == '\t')
                    Insert(key.KeyChar);
                break;
        }

        return LineAction.Redraw;
    }

    private LineAction PressControl(ConsoleKeyInfo key)
    {
        switch (key.Key)
        {
            case ConsoleKey.C:
                return LineAction.Interrupt;
            // A terminal sends the same byte for Ctrl-4, and .NET names it so.
            case ConsoleKey.D4 or ConsoleKey.Oem5 when key.Key == ConsoleKey.Oem5 || !OperatingSystem.IsWindows():
                return LineAction.Quit;
            case ConsoleKey.D when Text.Length == 0:
                return LineAction.End;
            case ConsoleKey.L:
                return LineAction.ClearScreen;
            case ConsoleKey.J or ConsoleKey.M or ConsoleKey.Enter:
                return LineAction.Submit;
            case ConsoleKey.A:
                Cursor = 0;
                break;
            case ConsoleKey.E:
                Cursor = Text.Length;
                break;
            case ConsoleKey.B:
                Cursor = Before(Cursor);
                break;
            case ConsoleKey.F:
                Cursor = After(Cursor);
                break;
            case ConsoleKey.LeftArrow:
                Cursor = WordBefore(Cursor);
                break;
            case ConsoleKey.RightArrow:
                Cursor = WordAfter(Cursor);
                break;
            case ConsoleKey.P:
                Replace(history.Older(Text));
                break;
            case ConsoleKey.N:
                Replace(history.Newer());
                break;
            default:
                EraseControl(key.Key);
                break;
        }

        return LineAction.Redraw;
    }

    private void EraseControl(ConsoleKey key)
    {
        switch (key)
        {
            case ConsoleKey.D or ConsoleKey.Delete:
                Delete(Cursor, After(Cursor));
                break;
            case ConsoleKey.H:
                Delete(Before(Cursor), Cursor);
                break;
            case ConsoleKey.U:
                Kill(0, Cursor);
                break;
            case ConsoleKey.K:
                Kill(Cursor, Text.Length);
                break;
            case ConsoleKey.W or ConsoleKey.Backspace:
                Kill(WordBefore(Cursor), Cursor);
                break;
            case ConsoleKey.Y:
                foreach (var c in _killed)
                    Insert(c);
                break;
        }
    }

    private LineAction PressAlt(ConsoleKeyInfo key)
    {
        switch (key.Key)
        {
            case ConsoleKey.B or ConsoleKey.LeftArrow:
                Cursor = WordBefore(Cursor);
                break;
            case ConsoleKey.F or ConsoleKey.RightArrow:
                Cursor = WordAfter(Cursor);
                break;
            case ConsoleKey.D:
                Kill(Cursor, WordAfter(Cursor));
                break;
            case ConsoleKey.Backspace:
                Kill(WordBefore(Cursor), Cursor);
                break;
        }

        return LineAction.Redraw;
    }

    // A key carries one UTF-16 unit; half a pair waits for its other half, and a stray half is dropped.
    private void Insert(char c)
    {
        if (char.IsHighSurrogate(c))
        {
            _highSurrogate = c;
            return;
        }

        var text = char.IsLowSurrogate(c) ? _highSurrogate == '\0' ? "" : $"{_highSurrogate}{c}" : c.ToString();
        _highSurrogate = '\0';
        _typed.Append(text);
    }

    private void Settle()
    {
        if (_typed.Length == 0)
            return;
        var typed = _typed.ToString();
        _typed.Clear();
        (Text, Cursor) = (Text.Insert(Cursor, typed), Cursor + typed.Length);
    }

    private void Kill(int start, int end)
    {
        if (start < end)
            _killed = Text[start..end];
        Delete(start, end);
    }

    private void Delete(int start, int end) => (Text, Cursor) = (Text.Remove(start, end - start), start);

    private void Replace(string? text)
    {
        if (text is not null)
            (Text, Cursor) = (text, text.Length);
    }

    private int After(int index) => index < Text.Length ? index + StringInfo.GetNextTextElementLength(Text.AsSpan(index)) : index;

    // Text elements are found from the left only.
    private int Before(int index)
    {
        var start = ElementBounds.Before(Text, index - 1);
        for (var next = After(start); next < index; next = After(next))
            start = next;
        return start;
    }

    private int WordBefore(int index)
    {
        while (index > 0 && !char.IsLetterOrDigit(Text[index - 1]) && !char.IsSurrogate(Text[index - 1]))
            index--;
        while (index > 0 && (char.IsLetterOrDigit(Text[index - 1]) || char.IsSurrogate(Text[index - 1])))
            index--;
        return index;
    }

    private int WordAfter(int index)
    {
        while (index < Text.Length && !char.IsLetterOrDigit(Text[index]) && !char.IsSurrogate(Text[index]))
            index++;
        while (index < Text.Length && (char.IsLetterOrDigit(Text[index]) || char.IsSurrogate(Text[index])))
            index++;
        return index;
    }
}
