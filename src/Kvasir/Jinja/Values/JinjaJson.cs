using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Kvasir.Jinja.Values;

/// <summary>Values as Python's json.dumps writes them, and JSON documents as values.</summary>
internal sealed class JinjaJson
{
    private readonly RenderBudget _budget;
    private readonly JsonTextOptions _options;
    private readonly StringBuilder _result = new();

    private JinjaJson(RenderBudget budget, JsonTextOptions options)
    {
        _budget = budget;
        _options = options;
    }

    public static string Write(RenderBudget budget, object value, JsonTextOptions options)
    {
        var json = new JinjaJson(budget, options);
        json.Write(value, 0);
        return json._result.ToString();
    }

    public static object Read(string json)
    {
        try
        {
            using var document = JsonDocument.Parse(json);
            return Read(document.RootElement);
        }
        // The second is what the reader throws for half a surrogate pair.
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            throw new JinjaFailure($"not JSON that can be read: {error.Message}");
        }
    }

    private static object Read(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.String => element.GetString()!,
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        JsonValueKind.Number => ReadNumber(element),
        JsonValueKind.Array => new JinjaList(ListKind.List, [.. element.EnumerateArray().Select(Read)]),
        JsonValueKind.Object => ReadMap(element),
        _ => None.Value,
    };

    private static object ReadNumber(JsonElement element)
    {
        string text = element.GetRawText();
        if (text.AsSpan().ContainsAny('.', 'e', 'E'))
            return element.GetDouble();
        return long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long value)
            ? value
            : throw new JinjaFailure($"integer {text} does not fit 64 bits");
    }

    private static JinjaMap ReadMap(JsonElement element)
    {
        var map = new JinjaMap();
        foreach (var property in element.EnumerateObject())
            map[property.Name] = Read(property.Value);
        return map;
    }

    private void Write(object value, int depth)
    {
        _budget.Enter();
        switch (value)
        {
            case string or MarkedText:
                WriteString(MarkedText.Find(value)!);
                break;
            case JinjaMap map:
                WriteMap(map, depth);
                break;
            case JinjaList { Kind: ListKind.List or ListKind.Tuple } list:
                WriteList(list, depth);
                break;
            default:
                Append(Scalar(value));
                break;
        }
        _budget.Leave();
    }

    private static string Scalar(object value) => value switch
    {
        None => "null",
        bool flag => flag ? "true" : "false",
        long number => number.ToString(CultureInfo.InvariantCulture),
        double number when double.IsNaN(number) => "NaN",
        double number when double.IsInfinity(number) => number > 0 ? "Infinity" : "-Infinity",
        double number => PythonText.Float(number),
        Undefined undefined => throw new JinjaFailure($"tojson cannot write what is undefined: {undefined.What}"),
        _ => throw new JinjaFailure($"tojson cannot write {Operators.TypeName(value)}"),
    };

    private void WriteList(JinjaList list, int depth)
    {
        Append("[");
        for (int i = 0; i < list.Items.Count; i++)
        {
            Append(i > 0 ? _options.ItemSeparator : "");
            BreakLine(depth + 1);
            Write(list.Items[i], depth + 1);
        }
        if (list.Items.Count > 0)
            BreakLine(depth);
        Append("]");
    }

    private void WriteMap(JinjaMap map, int depth)
    {
        Append("{");
        var entries = map.Entries;
        if (_options.SortsKeys)
            entries = Sorting.Sorted(_budget, [.. entries], (x, y) => Operators.Compare(_budget, x.Key, y.Key));
        bool first = true;
        foreach (var (key, value) in entries)
        {
            Append(first ? "" : _options.ItemSeparator);
            first = false;
            BreakLine(depth + 1);
            WriteString(MarkedText.Find(key) ?? Scalar(key));
            Append(_options.KeySeparator);
            Write(value, depth + 1);
        }
        if (!first)
            BreakLine(depth);
        Append("}");
    }

    private void BreakLine(int depth)
    {
        if (_options.Indent is not { } indent)
            return;
        _budget.Characters((long)indent.Length * depth);
        _result.Append('\n').Insert(_result.Length, indent, depth);
    }

    private void WriteString(string text)
    {
        _budget.Characters(text.Length * 2L);
        _result.Append('"');
        foreach (char c in text)
        {
            _ = c switch
            {
                '"' => _result.Append("\\\""),
                '\\' => _result.Append("\\\\"),
                '\n' => _result.Append("\\n"),
                '\r' => _result.Append("\\r"),
                '\t' => _result.Append("\\t"),
                '\b' => _result.Append("\\b"),
                '\f' => _result.Append("\\f"),
                _ when c < ' ' || (c > '~' && _options.EscapesNonAscii) => _result.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}"),
                _ => _result.Append(c),
            };
        }
        _result.Append('"');
    }

    private void Append(string text)
    {
        _budget.Characters(text.Length);
        _result.Append(text);
    }
}

/// <param name="Indent">What a nested line starts with, per level; null keeps all on one line.</param>
/// <param name="ItemSeparator">Between items.</param>
/// <param name="KeySeparator">Between a key and its value.</param>
/// <param name="EscapesNonAscii">Whether characters beyond ASCII become \u escapes.</param>
/// <param name="SortsKeys">Whether maps are written in the order of their keys.</param>
internal sealed record JsonTextOptions(string? Indent, string ItemSeparator, string KeySeparator, bool EscapesNonAscii, bool SortsKeys);
