using System.Diagnostics;
using System.Globalization;
using System.Text;
using Kvasir.Calls;
using Kvasir.Structure;
using Kvasir.Structure.Patterns;

namespace Kvasir.Test.Structure;

/// <summary>Schemas made to take all time and memory end in an error that names the bound, soon. Or they compile, soon.</summary>
public sealed class SchemaBombTest
{
    // The bound on work is about 500 ms of a core; code that is not optimised yet, and a core that is shared, are given more.
    private const int MostMs = 5000;

    public static TheoryData<string, string, string?> Bombs => new()
    {
        { "long", $$"""{"description":"{{new string('x', LimitBytes)}}"}""", "above the limit of 262144" },
        { "deep", string.Concat(Enumerable.Repeat("{\"items\":", 100)) + "{}" + new string('}', 100), "the schema cannot be read" },
        { "repetitions", """{"type":"string","pattern":"^((((a{1,100}){1,100}){1,100}){1,100})$"}""", "states" },
        { "subsets", """{"type":"string","pattern":"^(a|b)*a(a|b){30}$"}""", "states that are allowed|more work than" },
        { "empty loops", """{"type":"string","pattern":"^((((a*)*)*)*)*b$"}""", null },
        { "classic", """{"type":"string","pattern":"^(a+)+$"}""", null },
        { "doubling", Doubling(40), "alternatives|more work than" },
        { "chain", Chain(5000), "chain of more than 64" },
        { "wide", Wide(2000), null },
        { "enum", $$"""{"enum":[{{string.Join(',', Enumerable.Range(0, 4000).Select(static i => $"\"{new string('x', 40)}{i:d10}\""))}}]}""", "states that are allowed|more work than" },
        { "length", """{"type":"string","minLength":100000000,"maxLength":2000000000}""", null },
        { "pattern length", """{"type":"string","pattern":"^(ab|c)*$","maxLength":2000000000}""", "bits that are allowed" },
        { "items", """{"type":"array","items":{"type":"array","items":{"type":"array","minItems":1000000},"minItems":1000000},"minItems":1000000}""", null },
        { "recursion", """{"anyOf":[{"type":"array","items":{"$ref":"#"}},{"type":"object","additionalProperties":{"$ref":"#"}}]}""", null },
        { "all of all", $$"""{"allOf":[{{string.Join(',', Enumerable.Repeat("""{"anyOf":[{"type":"string"},{"type":"integer"},{"type":"null"}]}""", 20))}}]}""", null },
    };

    private const int LimitBytes = 262144;

    [Theory]
    [MemberData(nameof(Bombs))]
    public void ItEndsSoonInAValueOrANamedError(string name, string schema, string? words)
    {
        var constraints = new JsonConstraints(Kvasir.Text.Tokenizer.OfBytes());
        var startMs = ThreadMs();
        var refusal = Record.Exception(() => constraints.Schema(schema));
        var tookMs = ThreadMs() - startMs;
        Assert.True(tookMs < MostMs, $"{name}: {tookMs} ms");
        if (words is null)
        {
            Assert.Null(refusal);
            return;
        }

        Assert.IsType<KvasirException>(refusal);
        Assert.Contains(words.Split('|'), word => refusal.Message.Contains(word, StringComparison.Ordinal));
    }

    [Fact]
    public void StatesAndWorkAreBounded()
    {
        var constraints = new JsonConstraints(Kvasir.Text.Tokenizer.OfBytes());
        const string Schema = """{"type":"object","properties":{"name":{"type":"string"}}}""";
        Assert.NotNull(constraints.Compile(new AnswerDemand { Schema = Schema }, isCompact: false, new CompileBudget(states: 500)));
        Assert.Contains("20 states", Assert.Throws<KvasirException>(() => constraints.Compile(new AnswerDemand { Schema = Schema }, isCompact: false, new CompileBudget(states: 20))).Message, StringComparison.Ordinal);
        Assert.Contains("100 units", Assert.Throws<KvasirException>(() => constraints.Compile(new AnswerDemand { Schema = Schema.Replace("name", new string('n', 400), StringComparison.Ordinal) }, isCompact: false, new CompileBudget(work: 100))).Message, StringComparison.Ordinal);
    }

    // States made while answers are written are bounded too, and so are their masks: an answer of many states forgets the first.
    [Fact]
    [Trait("Needs", "Minutes")]
    public void AnAnswerWithoutEndKeepsABoundedNumberOfStates()
    {
        var constraint = new JsonConstraints(Kvasir.Text.Tokenizer.OfBytes()).Schema("""{"type":"array","items":{"type":"integer"},"maxItems":1000000}""");
        var state = constraint.Automaton.Next(constraint.Automaton.Start, (byte)'[');
        for (var i = 0; i < 50_000; i++)
        {
            state = constraint.Automaton.Next(state, (byte)('0' + (i % 9) + 1));
            Assert.True(constraint.Automaton.Mask(constraint.Automaton.Next(state, (byte)'1')).Allows((byte)','));
            state = constraint.Automaton.Next(state, (byte)',');
        }

        Assert.InRange(constraint.Automaton.StateCount, 1, 20_000);
    }

    // What the system gave this thread, where it says so: others do not take it.
    private static double ThreadMs()
    {
        const string Given = "/proc/thread-self/schedstat";
        return File.Exists(Given)
            ? double.Parse(File.ReadAllText(Given).Split(' ')[0], CultureInfo.InvariantCulture) / 1e6
            : Stopwatch.GetElapsedTime(0).TotalMilliseconds;
    }

    private static string Wide(int properties) =>
        """{"type":"object","properties":{""" + string.Join(',', Enumerable.Range(0, properties).Select(static i => $"\"p{i}\":{{\"type\":\"string\",\"maxLength\":{i}}}")) + "}}";

    private static string Doubling(int levels) => Defined(levels, static next => $"{{\"anyOf\":[{{\"$ref\":\"#/$defs/d{next}\"}},{{\"$ref\":\"#/$defs/d{next}\"}}]}}");

    private static string Chain(int levels) => Defined(levels, static next => $"{{\"$ref\":\"#/$defs/d{next}\"}}");

    private static string Defined(int levels, Func<int, string> level)
    {
        var schema = new StringBuilder("""{"$ref":"#/$defs/d0","$defs":{""");
        for (var i = 0; i < levels; i++)
            schema.Append(CultureInfo.InvariantCulture, $"\"d{i}\":{level(i + 1)},");
        return schema.Append(CultureInfo.InvariantCulture, $"\"d{levels}\":{{\"type\":\"string\"}}}}}}").ToString();
    }
}
