using System.Globalization;
using System.Xml;

namespace Kvasir.Evaluation.Reporting;

/// <summary>Writes markup that is well-formed XML, HTML pages too: what is text is escaped, what is opened is closed.</summary>
internal sealed class Markup : IDisposable
{
    private readonly XmlWriter _xml;
    private readonly string _space;

    private Markup(TextWriter output, string space)
    {
        _xml = XmlWriter.Create(output, new XmlWriterSettings { OmitXmlDeclaration = true, CloseOutput = false, NewLineHandling = NewLineHandling.None });
        _space = space;
    }

    /// <summary>A page of HTML, whose root element is to be opened first.</summary>
    public static Markup Page(TextWriter output)
    {
        output.Write("<!DOCTYPE html>\n");
        return new Markup(output, "");
    }

    /// <summary>A drawing in a file of its own, whose root element is to be opened first.</summary>
    public static Markup Drawing(TextWriter output) => new(output, "http://www.w3.org/2000/svg");

    /// <summary>A number as attributes want it.</summary>
    public static string Number(double value) => value.ToString("0.##", CultureInfo.InvariantCulture);

    public void Open(string element, params ReadOnlySpan<(string Name, string Value)> attributes)
    {
        _xml.WriteStartElement(element, _space);
        foreach (var (name, value) in attributes)
            _xml.WriteAttributeString(name, Legal(value));
    }

    public void Close() => _xml.WriteFullEndElement();

    /// <summary>An element with nothing but text in it.</summary>
    public void Element(string element, string text, params ReadOnlySpan<(string Name, string Value)> attributes)
    {
        Open(element, attributes);
        Text(text);
        Close();
    }

    /// <summary>An element that has no content by its nature.</summary>
    public void Empty(string element, params ReadOnlySpan<(string Name, string Value)> attributes)
    {
        Open(element, attributes);
        _xml.WriteEndElement();
    }

    public void Text(string text) => _xml.WriteString(Legal(text));

    public void Table(string caption, IReadOnlyList<string[]> rows)
    {
        Open("table");
        Element("caption", caption);
        for (var i = 0; i < rows.Count; i++)
        {
            Open("tr");
            foreach (var cell in rows[i])
                Element(i == 0 ? "th" : "td", cell);
            Close();
        }

        Close();
    }

    public void Dispose() => _xml.Dispose();

    // XML has no way to write some control characters and halves of surrogate pairs, and a model may generate them.
    private static string Legal(string text)
    {
        var isLegal = true;
        for (var i = 0; i < text.Length && isLegal; i++)
            isLegal = XmlConvert.IsXmlChar(text[i]);
        return isLegal ? text : string.Create(text.Length, text, static (legal, text) =>
        {
            for (var i = 0; i < legal.Length; i++)
            {
                var isPair = char.IsSurrogate(text[i])
                    && ((i + 1 < text.Length && char.IsSurrogatePair(text[i], text[i + 1])) || (i > 0 && char.IsSurrogatePair(text[i - 1], text[i])));
                legal[i] = isPair || XmlConvert.IsXmlChar(text[i]) ? text[i] : '\uFFFD';
            }
        });
    }
}
