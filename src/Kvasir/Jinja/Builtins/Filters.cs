using System.Globalization;
using Kvasir.Jinja.Values;

namespace Kvasir.Jinja.Builtins;

/// <summary>Filters of single values: text, numbers, JSON, defaults. Those of sequences are in <see cref="SequenceFilters"/>.</summary>
internal static class Filters
{
    private static readonly Dictionary<string, Builtin> Table = ValueMembers.Table(
        new("string", "", (budget, x, _) => PythonText.Str(budget, x)),
        new("safe", "", (budget, x, _) => PythonText.Str(budget, x)),
        new("upper", "", (budget, x, _) => Text(budget, x).Mapped(static text => text.ToUpperInvariant())),
        new("lower", "", (budget, x, _) => Text(budget, x).Mapped(static text => text.ToLowerInvariant())),
        new("capitalize", "", (budget, x, _) => Text(budget, x).Mapped(StringMethods.Capitalize)),
        new("title", "", (budget, x, _) =>
            Text(budget, x).Mapped(static text => StringMethods.Title(text, c => c is '-' or '(' or '{' or '[' or '<' || PythonText.IsSpace(c)))),
        new("trim", "chars?", (budget, x, a) => StringMethods.Strip(budget, Text(budget, x), a[0], start: true, end: true)),
        new("replace", "old new count?", (budget, x, a) =>
            StringMethods.Replace(
                budget, Text(budget, x), PythonText.Str(budget, a[0]!), PythonText.Str(budget, a[1]!), ArgumentTypes.Integer(a[2], "replace", -1))),
        new("indent", "width? first? blank?", (budget, x, a) =>
            Indent(budget, ArgumentTypes.Text(x, "indent"), a[0] ?? 4L, ArgumentTypes.Flag(a[1]), ArgumentTypes.Flag(a[2]))),
        new("escape", "", (budget, x, _) => Escape(budget, Text(budget, x))),
        new("e", "", (budget, x, _) => Escape(budget, Text(budget, x))),
        new("format", (budget, x, a) => PercentFormat.Apply(budget, Text(budget, x), a.Positional)),
        new("int", "default? base?", (_, x, a) => Integer(x, a[0] ?? 0L, ArgumentTypes.Integer(a[1], "int", 10))),
        new("float", "default?", (_, x, a) => Real(x, a[0] ?? 0.0)),
        new("abs", "", (_, x, _) => x switch
        {
            double number => (object)Math.Abs(number),
            long or bool when Operators.AsLong(x) != long.MinValue => Math.Abs(Operators.AsLong(x)),
            _ => throw new JinjaFailure($"abs does not take {Operators.TypeName(x)}"),
        }),
        new("round", "precision? method?", (_, x, a) => Round(x, ArgumentTypes.Integer(a[0], "round", 0), ArgumentTypes.TextOrNull(a[1], "round") ?? "common")),
        new("default", "value? boolean?", Default),
        new("d", "value? boolean?", Default),
        new("attr", "name", (_, x, a) => ValueMembers.Attribute(x, ArgumentTypes.Text(a[0], "attr"))),
        new("tojson", "ensure_ascii? indent? separators? sort_keys?", ToJson),
        new("from_json", "", (budget, x, _) => JinjaJson.Read(Text(budget, x))));

    public static Builtin? Find(string name) => Table.GetValueOrDefault(name) ?? SequenceFilters.Find(name);

    private static MarkedText Text(RenderBudget budget, object value)
    {
        var text = PythonText.Str(budget, value);
        budget.Characters(text.Length);
        return text;
    }

    private static object Default(RenderBudget budget, object value, object?[] arguments) =>
        value is Undefined || (ArgumentTypes.Flag(arguments[1]) && !Operators.IsTrue(value)) ? arguments[0] ?? "" : value;

    private static MarkedText Indent(RenderBudget budget, MarkedText text, object width, bool first, bool blank)
    {
        var indent = MarkedText.Find(width) ?? Blanks(budget, ArgumentTypes.Integer(width, "indent"));
        var lines = Splitting.Lines(budget, JinjaArithmetic.Join(budget, text, "\n"), keepsEnds: false).Items;
        for (int i = 0; i < lines.Count; i++)
        {
            var line = (MarkedText)lines[i];
            bool indented = i == 0 ? first : blank || line.Length > 0;
            lines[i] = indented ? JinjaArithmetic.Join(budget, indent, line) : line;
        }
        return StringMethods.Join(budget, "\n", lines, line => (MarkedText)line);
    }

    private static MarkedText Blanks(RenderBudget budget, long count) => MarkedText.Find(JinjaArithmetic.Apply(budget, "*", " ", count))!;

    private static MarkedText Escape(RenderBudget budget, MarkedText text)
    {
        (string, string)[] entities = [("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("'", "&#39;"), ("\"", "&#34;")];
        foreach (var (character, entity) in entities)
            text = StringMethods.Replace(budget, text, character, entity, -1);
        return text;
    }

    private static object Integer(object value, object otherwise, long numberBase)
    {
        if (numberBase != 10)
            throw new JinjaFailure($"int: base {numberBase} is not supported");
        if (MarkedText.Plain(value) is string text
            && long.TryParse(PythonText.TrimStart(PythonText.TrimEnd(text)), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long whole))
            return whole;
        if (value is long or bool)
            return Operators.AsLong(value);
        object number = Real(value, otherwise);
        if (number is not double real || ReferenceEquals(number, otherwise) || !double.IsFinite(real))
            return otherwise;
        return Math.Abs(real) < 9.2e18 ? (long)real : throw new JinjaFailure("int: the number does not fit 64 bits");
    }

    private static object Real(object value, object otherwise)
    {
        if (value is Undefined undefined)
            throw new JinjaFailure($"no number in what is undefined: {undefined.What}");
        if (Operators.IsNumber(value))
            return Operators.AsDouble(value);
        if (MarkedText.Plain(value) is not string text)
            return otherwise;
        text = PythonText.TrimStart(PythonText.TrimEnd(text));
        // .NET would read "Infinity" too, but not all of Python's spellings.
        const NumberStyles Style = NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent;
        if (text.AsSpan().ContainsAnyInRange('0', '9') && double.TryParse(text, Style, CultureInfo.InvariantCulture, out double number))
            return number;
        return text.TrimStart('+', '-').ToLowerInvariant() switch
        {
            "inf" or "infinity" => text[0] == '-' ? double.NegativeInfinity : double.PositiveInfinity,
            "nan" => double.NaN,
            _ => otherwise,
        };
    }

    private static object Round(object value, long precision, string method)
    {
        if (!Operators.IsNumber(value) || precision is < 0 or > 15)
            throw new JinjaFailure($"round does not take {Operators.TypeName(value)} to {precision} places");
        if (value is not double number)
            return method == "common" ? (object)Operators.AsLong(value) : (double)Operators.AsLong(value);
        double scale = Math.Pow(10, precision);
        return method switch
        {
            "common" => Math.Round(number, (int)precision, MidpointRounding.ToEven),
            "ceil" => Math.Ceiling(number * scale) / scale,
            "floor" => Math.Floor(number * scale) / scale,
            _ => throw new JinjaFailure($"round: method '{method}' is not supported"),
        };
    }

    private static string ToJson(RenderBudget budget, object value, object?[] arguments)
    {
        string? indent = MarkedText.Plain(arguments[1]) switch
        {
            null or None => null,
            string text => text,
            var width => Blanks(budget, ArgumentTypes.Integer(width, "tojson")),
        };
        string itemSeparator = indent is null ? ", " : ",";
        string keySeparator = ": ";
        if (arguments[2] is JinjaList { Items: [string or MarkedText, string or MarkedText] and [var item, var key] })
            (itemSeparator, keySeparator) = (MarkedText.Find(item)!, MarkedText.Find(key)!);
        else if (arguments[2] is not (null or None))
            throw new JinjaFailure("tojson: separators must be two strings");
        return JinjaJson.Write(
            budget, value, new JsonTextOptions(indent, itemSeparator, keySeparator, ArgumentTypes.Flag(arguments[0]), ArgumentTypes.Flag(arguments[3])));
    }
}
