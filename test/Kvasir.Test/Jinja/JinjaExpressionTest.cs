using System.Globalization;
using CsCheck;

namespace Kvasir.Test.Jinja;

/// <summary>Expressions of any shape give what Python's rules give, which are written down here a second time.</summary>
public sealed class JinjaExpressionTest
{
    private static readonly string[] Arithmetic = ["+", "-", "*", "//", "%"];
    private static readonly string[] Comparisons = ["<", "<=", ">", ">=", "==", "!="];

    private sealed record Case(string Text, object Value);

    private static readonly Gen<Case> Number = Gen.Int[-9, 9].Select(static i => new Case(i < 0 ? $"({i})" : i.ToString(CultureInfo.InvariantCulture), (long)i));

    [Fact]
    public void NestedExpressionsGiveWhatPythonGives() => Whole(3).Sample(static one =>
    {
        var (text, error) = TemplateFixture.Render($"{{{{ {one.Text} }}}}");
        var expected = one.Value is bool truth ? (truth ? "True" : "False") : ((long)one.Value).ToString(CultureInfo.InvariantCulture);
        Assert.True(text == expected, $"{one.Text} gave {text ?? error} instead of {expected}");
    }, iter: 3000, threads: 1);

    // Loops, conditions and assignments around them, against the same loop in C#.
    [Fact]
    public void LoopsWithConditionsGiveWhatCSharpGives() => Gen.Select(Gen.Int[-9, 9].Array[0, 12], Gen.Int[2, 4], Gen.Int[0, 3], Gen.Bool).Sample(static (items, modulus, rest, reversed) =>
    {
        var list = $"[{string.Join(", ", items)}]{(reversed ? " | reverse" : "")}";
        var source = $"{{% set n = namespace(s=0) %}}{{% for x in {list} if x % {modulus} == {rest} %}}{{% set n.s = n.s + x %}}{{{{ loop.index }}}}:{{{{ x }}}}{{% if not loop.last %}},{{% endif %}}"
            + "{% else %}none{% endfor %}={{ n.s }}";
        var kept = (reversed ? items.Reverse() : items).Where(x => Modulus(x, modulus) == rest).ToArray();
        var expected = $"{(kept.Length == 0 ? "none" : string.Join(',', kept.Select(static (x, i) => $"{i + 1}:{x}")))}={kept.Sum()}";
        var (text, error) = TemplateFixture.Render(source);
        Assert.True(text == expected, $"{source} gave {text ?? error} instead of {expected}");
    }, iter: 1000, threads: 1);

    private static Gen<Case> Whole(int depth) => depth == 0 ? Number : Gen.OneOf(Number, Sum(depth - 1), Chosen(depth - 1), Negated(depth - 1));

    private static Gen<Case> Truth(int depth) => Gen.OneOf(Compared(depth), depth == 0 ? Compared(0) : Joined(depth - 1));

    private static Gen<Case> Sum(int depth) => Gen.Select(Whole(depth), OneOf(Arithmetic), Whole(depth)).Select(static (left, sign, right) =>
    {
        var (a, b) = ((long)left.Value, (long)right.Value);
        // Python's quotient and rest follow the divisor's sign; a divisor of zero is replaced.
        if (sign is "//" or "%" && b == 0)
            (right, b) = (new Case("7", 7L), 7);
        return new Case($"({left.Text} {sign} {right.Text})", sign switch
        {
            "+" => a + b,
            "-" => a - b,
            "*" => a * b,
            "//" => (a - Modulus(a, b)) / b,
            _ => Modulus(a, b),
        });
    });

    private static Gen<Case> Compared(int depth) => Gen.Select(Whole(depth), OneOf(Comparisons), Whole(depth)).Select(static (left, sign, right) =>
    {
        var order = ((long)left.Value).CompareTo((long)right.Value);
        return new Case($"({left.Text} {sign} {right.Text})", sign switch { "<" => order < 0, "<=" => order <= 0, ">" => order > 0, ">=" => order >= 0, "==" => order == 0, _ => order != 0 });
    });

    private static Gen<Case> Joined(int depth) => Gen.Select(Truth(depth), OneOf("and", "or", "and not", "or not"), Truth(depth)).Select(static (left, word, right) =>
    {
        var (a, b) = ((bool)left.Value, (bool)right.Value ^ word.EndsWith("not", StringComparison.Ordinal));
        return new Case($"({left.Text} {word} {right.Text})", word.StartsWith("and", StringComparison.Ordinal) ? a && b : a || b);
    });

    private static Gen<Case> Chosen(int depth) => Gen.Select(Whole(depth), Truth(depth), Whole(depth)).Select(static (then, truth, otherwise) =>
        new Case($"({then.Text} if {truth.Text} else {otherwise.Text})", (bool)truth.Value ? then.Value : otherwise.Value));

    private static Gen<Case> Negated(int depth) => Whole(depth).Select(static one => new Case($"(-{one.Text})", -(long)one.Value));

    private static Gen<string> OneOf(params string[] texts) => Gen.Int[0, texts.Length - 1].Select(i => texts[i]);

    private static long Modulus(long a, long b) => (a % b + b) % b;
}
