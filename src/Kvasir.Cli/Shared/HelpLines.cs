using System.Text;

namespace Kvasir.Cli.Shared;

/// <summary>Text for people in the width of their terminal: paragraphs, and rows of a name and what it means.</summary>
internal sealed class HelpLines
{
    private const int MostColumns = 110;
    private const int LeastTextColumns = 24;
    private const int MostNameColumns = 26;
    private const string Indent = "  ";
    private readonly StringBuilder _text = new();
    private readonly int _columns;

    /// <param name="columns">Of the terminal; lines of more than 110 characters are not made for reading.</param>
    public HelpLines(int columns) => _columns = Math.Min(columns, MostColumns);

    /// <summary>All lines, each with its end.</summary>
    public string Text => _text.ToString();

    /// <summary>A title with an empty line above.</summary>
    public void Section(string title) => _text.Append('\n').Append(title).Append(":\n");

    /// <summary>A line that is not broken, as one that can be pasted.</summary>
    public void Line(string line) => _text.Append(Indent).Append(line).Append('\n');

    public void Paragraph(string text) => Paragraphs([text]);

    /// <summary>Paragraphs with one empty line above them all.</summary>
    public void Paragraphs(IEnumerable<string> texts)
    {
        var isFirst = true;
        foreach (var text in texts.Where(static text => text.Length > 1))
        {
            _text.Append(isFirst && _text.Length > 0 ? "\n" : "");
            isFirst = false;
            foreach (var line in Broken(text, _columns))
                _text.Append(line).Append('\n');
        }
    }

    /// <summary>Names in one column, meanings beside them; a name that is too long has a line of its own.</summary>
    public void Rows(IReadOnlyList<(string Name, string Meaning)> rows)
    {
        var width = rows.Select(static row => row.Name.Length).Where(static length => length <= MostNameColumns).DefaultIfEmpty(0).Max();
        var left = Indent.Length + width + 2;
        foreach (var (name, meaning) in rows)
        {
            _text.Append(Indent).Append(name);
            var column = Indent.Length + name.Length;
            foreach (var line in Broken(meaning, Math.Max(LeastTextColumns, _columns - left)))
            {
                if (column > left - 2)
                {
                    _text.Append('\n');
                    column = 0;
                }

                _text.Append(' ', left - column).Append(line);
                column = int.MaxValue;
            }

            _text.Append('\n');
        }
    }

    private static IEnumerable<string> Broken(string text, int columns)
    {
        var line = new StringBuilder();
        foreach (var word in text.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            if (line.Length > 0 && line.Length + 1 + word.Length > columns)
            {
                yield return line.ToString();
                line.Clear();
            }

            line.Append(line.Length > 0 ? " " : "").Append(word);
        }

        yield return line.ToString();
    }
}
