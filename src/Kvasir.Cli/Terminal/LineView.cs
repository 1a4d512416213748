using System.Globalization;
using System.Text;

namespace Kvasir.Cli.Terminal;

/// <summary>A line and its cursor as what to send to a terminal: one row, which scrolls sideways when the text is wider.</summary>
internal static class LineView
{
    private const char More = '…';

    // Marks that take no column of their own are few; behind more of them than that the beginning of the row may stay empty.
    private const int CharactersPerColumn = 8;

    /// <summary>Draws over the current row and leaves the cursor where it belongs.</summary>
    /// <param name="prompt">In front of the line; takes no more than a few columns.</param>
    /// <param name="text">What is edited.</param>
    /// <param name="cursor">UTF-16 index in <paramref name="text"/>.</param>
    /// <param name="columns">Of the terminal.</param>
    public static string Draw(string prompt, string text, int cursor, int columns)
    {
        // The last column stays free: what a terminal does after it is filled differs.
        var room = Math.Max(4, columns - CellWidth.Of(prompt) - 1);
        var (elements, cursorElement, begins, ends) = Elements(text, cursor, room);
        var (first, last) = Window(elements, cursorElement, room);
        var line = new StringBuilder("\r").Append(prompt);
        var cursorColumn = CellWidth.Of(prompt);
        for (var i = first; i < last; i++)
        {
            var isCut = (i == first && !(begins && first == 0)) || (i == last - 1 && !(ends && last == elements.Count));
            var shown = isCut ? new string(More, Math.Max(1, elements[i].Columns)) : elements[i].Text;
            line.Append(shown);
            if (i < cursorElement)
                cursorColumn += isCut ? shown.Length : elements[i].Columns;
        }

        line.Append("\e[K\r");
        return cursorColumn == 0 ? line.ToString() : line.Append(CultureInfo.InvariantCulture, $"\e[{cursorColumn}C").ToString();
    }

    // Those that may be seen: a long text is not read from end to end for each key. Begins and ends tell whether the text does so with them.
    private static (List<(string Text, int Columns)> Elements, int CursorElement, bool Begins, bool Ends) Elements(string text, int cursor, int room)
    {
        var elements = new List<(string, int)>();
        var (cursorElement, columnsBehind) = (0, 0);
        var start = ElementBounds.Before(text, Math.Max(0, cursor - (CharactersPerColumn * room)));
        var i = start;
        while (i < text.Length && columnsBehind <= room)
        {
            var length = StringInfo.GetNextTextElementLength(text.AsSpan(i));
            var element = text.Substring(i, length);
            var columns = CellWidth.OfElement(element);
            elements.Add((Printable(element), columns));
            if (i < cursor)
                cursorElement = elements.Count;
            else
                columnsBehind += columns;
            i += length;
        }

        return (elements, cursorElement, start == 0, i >= text.Length);
    }

    private static string Printable(string element) => element[0] switch
    {
        '\n' or '\r' => "⏎",
        '\t' => " ",
        var c when char.IsControl(c) => "·",
        _ => element,
    };

    // As many elements as fit, the cursor's among them with something of both sides.
    private static (int First, int Last) Window(List<(string Text, int Columns)> elements, int cursor, int room)
    {
        var (first, last, used) = (cursor, cursor, 0);
        while (true)
        {
            var fitsLeft = first > 0 && used + elements[first - 1].Columns <= room;
            var fitsRight = last < elements.Count && used + elements[last].Columns <= room;
            if (!fitsLeft && !fitsRight)
                return (first, last);
            if (fitsLeft)
                used += elements[--first].Columns;
            if (last < elements.Count && used + elements[last].Columns <= room)
                used += elements[last++].Columns;
        }
    }
}
