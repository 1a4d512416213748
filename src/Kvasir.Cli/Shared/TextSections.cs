using Kvasir.Cli.Terminal;

namespace Kvasir.Cli.Shared;

/// <summary>Headed sections of aligned columns, for people; numbers stand to the right.</summary>
internal sealed class TextSections(TextWriter output)
{
    private const int Gap = 2;
    private bool _hasSection;

    /// <param name="rows">
    /// Of equal length; a cell that begins with a digit stands to the right, unless its column is the last, or has words below its first row.
    /// </param>
    public void Write(string heading, IReadOnlyList<string[]> rows)
    {
        if (_hasSection)
            output.WriteLine();
        _hasSection = true;
        output.WriteLine(heading);
        if (rows.Count == 0)
            return;
        var (widths, hasWords) = (new int[rows[0].Length], new bool[rows[0].Length]);
        foreach (var row in rows)
        {
            for (var i = 0; i < row.Length; i++)
            {
                widths[i] = Math.Max(widths[i], CellWidth.Of(row[i]));
                hasWords[i] |= row != rows[0] && row[i] is [var first, ..] && char.IsAsciiLetter(first);
            }
        }

        foreach (var row in rows)
        {
            var cells = row.Select((cell, i) => Aligned(cell, widths[i], isText: i == 0 || hasWords[i], isLast: i == row.Length - 1));
            output.WriteLine($"  {string.Join(new string(' ', Gap), cells)}");
        }
    }

    private static string Aligned(string cell, int width, bool isText, bool isLast)
    {
        var space = new string(' ', width - CellWidth.Of(cell));
        return !isText && cell.Length > 0 && char.IsAsciiDigit(cell[0]) && (!isLast || space.Length < width / 2) ? space + cell : isLast ? cell : cell + space;
    }
}
