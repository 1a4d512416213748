using System.Globalization;
using System.Text;
using Kvasir.Cli.Terminal;

namespace Kvasir.Cli.Demo;

/// <summary>Rows of cells as lines of a limited width.</summary>
internal static class CellRows
{
    /// <summary>Columns that a cell cannot do with less than.</summary>
    public const int LeastWidth = 4;

    private const int Gap = 2;
    private const char More = '…';

    /// <summary>How many columns of the least width fit beside those that are there.</summary>
    public static int RoomBeside(IReadOnlyList<TableCell[]> rows, int limit) => (limit - Total(Widths(rows))) / (LeastWidth + Gap);

    public static bool Fit(IReadOnlyList<TableCell[]> rows, int limit) => Total(Widths(rows)) <= limit;

    /// <summary>A line for each row; the widest columns give way where there is no room.</summary>
    /// <param name="rows">Of equal length.</param>
    /// <param name="limit">Columns of the terminal that a line may take.</param>
    /// <param name="toTheRight">Whether all columns but the first are numbers, and stand to the right.</param>
    public static IEnumerable<string> Lines(IReadOnlyList<TableCell[]> rows, int limit, bool toTheRight, bool hasColor)
    {
        var widths = Widths(rows);
        // What a row is about is cut before its numbers, and after its answers.
        foreach (var columns in toTheRight ? new[] { Range.EndAt(1), Range.StartAt(1) } : new[] { Range.StartAt(1), Range.EndAt(1) })
            Narrow(widths, columns, limit);
        foreach (var row in rows)
            yield return Line(row, widths, toTheRight, hasColor);
    }

    private static void Narrow(int[] widths, Range columns, int limit)
    {
        var (first, count) = columns.GetOffsetAndLength(widths.Length);
        while (Total(widths) > limit && count > 0 && widths.AsSpan(first, count).ToArray().Max() is > LeastWidth and var widest)
            widths[Array.LastIndexOf(widths, widest, first + count - 1, count)]--;
    }

    private static string Line(TableCell[] row, int[] widths, bool toTheRight, bool hasColor)
    {
        var line = new StringBuilder();
        for (var i = 0; i < row.Length; i++)
        {
            var text = Cut(row[i].Text, widths[i]);
            var space = new string(' ', widths[i] - CellWidth.Of(text));
            line.Append(i == 0 ? "" : new string(' ', Gap));
            line.Append(toTheRight && i > 0 ? space : "").Append(hasColor ? Coloured(text, row[i].Tone) : text).Append(toTheRight && i > 0 ? "" : space);
        }

        return line.ToString().TrimEnd();
    }

    private static string Coloured(string text, CellTone tone) => tone switch
    {
        CellTone.Dim => $"\e[2m{text}\e[22m",
        CellTone.Right => $"\e[32m{text}\e[39m",
        CellTone.Wrong => $"\e[31m{text}\e[39m",
        _ => text,
    };

    private static string Cut(string text, int width)
    {
        if (CellWidth.Of(text) <= width)
            return text;
        var (end, taken) = (0, 0);
        while (end < text.Length)
        {
            var length = StringInfo.GetNextTextElementLength(text.AsSpan(end));
            taken += CellWidth.OfElement(text.AsSpan(end, length));
            if (taken > width - 1)
                break;
            end += length;
        }

        return text[..end].TrimEnd() + More;
    }

    private static int[] Widths(IReadOnlyList<TableCell[]> rows) =>
        [.. Enumerable.Range(0, rows[0].Length).Select(i => rows.Max(row => CellWidth.Of(row[i].Text)))];

    private static int Total(int[] widths) => widths.Sum() + Gap * (widths.Length - 1);
}

/// <summary>What stands in a table's row and column.</summary>
internal readonly record struct TableCell(string Text, CellTone Tone = CellTone.Plain);

/// <summary>How a cell looks where there are colours.</summary>
internal enum CellTone
{
    Plain,

    /// <summary>Less than the others.</summary>
    Dim,

    /// <summary>Green.</summary>
    Right,

    /// <summary>Red.</summary>
    Wrong,
}
