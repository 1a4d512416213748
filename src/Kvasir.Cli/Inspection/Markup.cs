using System.Globalization;
using System.Xml;

namespace Kvasir.Cli.Inspection;

/// <summary>Writes a page that is HTML and well-formed XML at once: what is text is escaped, what is opened is closed.</summary>
internal sealed class Markup : IDisposable
{
    private readonly XmlWriter _xml;

    public Markup(TextWriter output)
    {
        output.Write("<!DOCTYPE html>\n");
        _xml = XmlWriter.Create(output, new XmlWriterSettings { OmitXmlDeclaration = true, CloseOutput = false, NewLineHandling = NewLineHandling.None });
    }

    /// <summary>A number as attributes want it.</summary>
    public static string Number(double value) => value.ToString("0.##", CultureInfo.InvariantCulture);

    public void Open(string element, params ReadOnlySpan<(string Name, string Value)> attributes)
    {
        _xml.WriteStartElement(element);
        foreach (var (name, value) in attributes)
            _xml.WriteAttributeString(name, value);
    }

    public void Close() => _xml.WriteFullEndElement();

    /// <summary>An element with nothing but text in it.</summary>
    public void Element(string element, string text, params ReadOnlySpan<(string Name, string Value)> attributes)
    {
        Open(element, attributes);
        _xml.WriteString(text);
        Close();
    }

    /// <summary>An element that has no content by its nature.</summary>
    public void Empty(string element, params ReadOnlySpan<(string Name, string Value)> attributes)
    {
        Open(element, attributes);
        _xml.WriteEndElement();
    }

    public void Text(string text) => _xml.WriteString(text);

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
}
