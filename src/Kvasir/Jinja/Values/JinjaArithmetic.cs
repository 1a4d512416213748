using System.Text;

namespace Kvasir.Jinja.Values;

/// <summary>The binary and unary operators that make new values. Integers have 64 bits, and leaving them is a failure.</summary>
internal static class JinjaArithmetic
{
    public static object Negate(object value) => value switch
    {
        // Cast, or else the integer would widen to the type of the other arm.
        double number => (object)-number,
        long or bool => Checked("-", () => checked(-Operators.AsLong(value))),
        _ => throw Mismatch("-", value),
    };

    public static object Plus(object value) => value switch
    {
        double => value,
        long or bool => Operators.AsLong(value),
        _ => throw Mismatch("+", value),
    };

    public static object Apply(RenderBudget budget, string symbol, object x, object y)
    {
        if (symbol == "~")
            return Join(budget, PythonText.Str(budget, x), PythonText.Str(budget, y));
        if (symbol == "%" && MarkedText.Find(x) is { } format)
            return PercentFormat.Apply(budget, format, y is JinjaList { Kind: ListKind.Tuple } tuple ? tuple.Items : [y]);
        if (Operators.IsNumber(x) && Operators.IsNumber(y))
            return x is double || y is double
                ? Reals(symbol, Operators.AsDouble(x), Operators.AsDouble(y))
                : Integers(symbol, Operators.AsLong(x), Operators.AsLong(y));
        return symbol switch
        {
            "+" => Add(budget, x, y),
            "*" when x is string or MarkedText or JinjaList && y is long or bool => Repeat(budget, x, Operators.AsLong(y)),
            "*" when y is string or MarkedText or JinjaList && x is long or bool => Repeat(budget, y, Operators.AsLong(x)),
            _ => throw Mismatch(symbol, x, y),
        };
    }

    public static MarkedText Join(RenderBudget budget, MarkedText x, MarkedText y)
    {
        budget.Characters((long)x.Length + y.Length);
        return new MarkedTextBuilder().Append(x).Append(y).ToText();
    }

    private static object Add(RenderBudget budget, object x, object y)
    {
        if (MarkedText.Find(x) is { } a && MarkedText.Find(y) is { } b)
            return Join(budget, a, b);
        if (x is not JinjaList { Kind: ListKind.List or ListKind.Tuple } p || y is not JinjaList q || p.Kind != q.Kind)
            throw Mismatch("+", x, y);
        budget.Items((long)p.Items.Count + q.Items.Count);
        return new JinjaList(p.Kind, [.. p.Items, .. q.Items]);
    }

    private static object Repeat(RenderBudget budget, object value, long count)
    {
        // Clamped so that the product cannot overflow, yet to a count that no budget allows.
        count = Math.Clamp(count, 0, RenderBudget.MaxCharacters + 1);
        if (MarkedText.Find(value) is { } text)
        {
            budget.Characters(text.Length * count);
            return text.Length == 0 ? text : new MarkedText(Repeated(text.Value, (int)count), text.Marks is { } marks ? Repeated(marks, (int)count) : null);
        }
        if (value is not JinjaList { Kind: ListKind.List or ListKind.Tuple } list)
            throw Mismatch("*", value, count);
        budget.Items(list.Items.Count * count);
        var items = new List<object>();
        for (long i = 0; list.Items.Count > 0 && i < count; i++)
            items.AddRange(list.Items);
        return new JinjaList(list.Kind, items);
    }

    private static string Repeated(string text, int count) => new StringBuilder().Insert(0, text, count).ToString();

    private static object Integers(string symbol, long x, long y)
    {
        if (y == 0 && symbol is ("/" or "//" or "%"))
            throw new JinjaFailure("division by zero");
        return symbol switch
        {
            "+" => (object)Checked(symbol, () => checked(x + y)),
            "-" => Checked(symbol, () => checked(x - y)),
            "*" => Checked(symbol, () => checked(x * y)),
            "/" => (double)x / y,
            "//" => Checked(symbol, () => checked(x / y) - (x % y != 0 && (x < 0) != (y < 0) ? 1 : 0)),
            // The remainder takes the divisor's sign. By -1 the processor would trap on the smallest integer.
            "%" => y is 1 or -1 ? 0L : x % y != 0 && (x < 0) != (y < 0) ? x % y + y : x % y,
            _ => y < 0 ? (object)Reals(symbol, x, y) : Checked(symbol, () => Power(x, y)),
        };
    }

    private static double Reals(string symbol, double x, double y)
    {
        if (y == 0 && symbol is ("/" or "//" or "%"))
            throw new JinjaFailure("division by zero");
        if (symbol == "**" && ((x == 0 && y < 0) || (x < 0 && y != Math.Floor(y))))
            throw new JinjaFailure("power without a real value");
        return symbol switch
        {
            "+" => x + y,
            "-" => x - y,
            "*" => x * y,
            "/" => x / y,
            "//" => Math.Floor((x - Remainder(x, y)) / y + 0.5),
            "%" => Remainder(x, y),
            _ => Math.Pow(x, y),
        };
    }

    private static double Remainder(double x, double y)
    {
        double remainder = x % y;
        if (remainder == 0)
            return Math.CopySign(0, y);
        return (remainder < 0) != (y < 0) ? remainder + y : remainder;
    }

    private static long Power(long x, long exponent)
    {
        long result = 1;
        while (true)
        {
            if ((exponent & 1) != 0)
                result = checked(result * x);
            exponent >>= 1;
            if (exponent == 0)
                return result;
            // Squares of 0, 1 and -1 stay in range for any exponent; all others overflow within six rounds.
            x = checked(x * x);
        }
    }

    private static long Checked(string symbol, Func<long> operation)
    {
        try
        {
            return operation();
        }
        catch (OverflowException)
        {
            throw new JinjaFailure($"result of '{symbol}' does not fit 64 bits");
        }
    }

    private static JinjaFailure Mismatch(string symbol, object value) => new($"'{symbol}' does not take {Operators.TypeName(value)}{Named(value)}");

    private static JinjaFailure Mismatch(string symbol, object x, object y) =>
        new($"'{symbol}' does not take {Operators.TypeName(x)}{Named(x)} and {Operators.TypeName(y)}{Named(y)}");

    private static string Named(object value) => value is Undefined undefined ? $" ({undefined.What})" : "";
}
