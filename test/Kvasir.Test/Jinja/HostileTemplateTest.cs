using System.Diagnostics;
using Kvasir.Jinja.Values;

namespace Kvasir.Test.Jinja;

public class HostileTemplateTest
{
    private const string Forever = "{% for a in range(100000) %}{% for b in range(100000) %}";

    [Theory]
    [Trait("Needs", "Minutes")]
    [InlineData("endless loops", Forever + "{% endfor %}{% endfor %}", "steps")]
    [InlineData("a doubling list", "{% set n = namespace(s=[1]) %}{% for a in range(100) %}{% set n.s = n.s + n.s %}{% endfor %}", "characters")]
    [InlineData("a repeated string", "{{ 'x' * 9000000000000 }}", "characters")]
    [InlineData("a repeated list", "{{ [1] * 9000000000000 }}", "characters")]
    [InlineData("a long range", "{{ range(1000000000000) }}", "limit")]
    [InlineData("recursion", "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "levels deep")]
    [InlineData("mutual recursion", "{% macro f() %}{{ g() }}{% endmacro %}{% macro g() %}{{ f() }}{% endmacro %}{{ f() }}", "levels deep")]
    [InlineData("a deep value", "{% set n = namespace(s=[]) %}{% for a in range(5000) %}{% set n.s = [n.s] %}{% endfor %}{{ n.s }}", "levels deep")]
    [InlineData("deep JSON", "{% set n = namespace(s=[]) %}{% for a in range(5000) %}{% set n.s = [n.s] %}{% endfor %}{{ n.s | tojson }}", "levels deep")]
    [InlineData("a namespace within itself", "{% set n = namespace() %}{% set n.n = n %}{{ n }}", "levels deep")]
    [InlineData("a wide value of few parts", "{% set n = namespace(s=[]) %}{% for a in range(60) %}{% set n.s = [n.s, n.s] %}{% endfor %}{{ n.s }}", "characters|steps|s of time")]
    [InlineData("wide values compared", "{% set n = namespace(s=[], t=[]) %}{% for a in range(60) %}{% set n.s = [n.s, n.s] %}{% set n.t = [n.t, n.t] %}{% endfor %}{{ n.s == n.t }}", "steps")]
    [InlineData("a costly search", "{% set a = 'a' * 4000000 %}{{ (a ~ 'b' ~ a) in (a ~ a ~ 'c' ~ a ~ a) }}", "characters")]
    [InlineData("a wide indent", "{{ 'x' | indent(1000000000000, true) }}", "characters")]
    [InlineData("wide JSON", "{{ [1] | tojson(indent=1000000000000) }}", "characters")]
    [InlineData("a wide format", "{{ '%999999999d' % 1 }}", "width")]
    [InlineData("a huge power", "{{ 7 ** 999999999999 }}", "64 bits")]
    public void LimitsEndIt(string claim, string source, string limits)
    {
        var watch = Stopwatch.StartNew();
        var (text, error) = TemplateFixture.Render(source);
        Assert.True(text is null, $"{claim}: gave {text?.Length} characters");
        // What takes long ends by its time on a machine that is slow.
        var allowed = limits is "characters" or "steps" ? $"{limits}|s of time" : limits;
        Assert.True(allowed.Split('|').Any(limit => error!.Contains(limit, StringComparison.Ordinal)), $"{claim}: {error}");
        Assert.StartsWith("test, line 1: ", error, StringComparison.Ordinal);
        Assert.True(watch.Elapsed < TimeSpan.FromMinutes(5), $"{claim}: {watch.Elapsed}");
    }

    [Fact]
    public void TimeEndsIt()
    {
        var clock = new SetClock();
        var budget = new RenderBudget(clock);
        var steps = 0;
        var failure = Assert.Throws<JinjaFailure>(() =>
        {
            for (; steps < RenderBudget.MaxSteps; steps++)
            {
                budget.Step();
                clock.Add(steps % 100 == 0 ? TimeSpan.FromMilliseconds(1) : TimeSpan.Zero);
            }
        });
        Assert.Equal("more than 2 s of time", failure.Message);
        Assert.InRange(steps, 200_000, 203_000);
    }

    // Nobody runs while a machine sleeps, or while others have it.
    [Fact]
    public void HoursInWhichNothingRanAreNotCounted()
    {
        var clock = new SetClock();
        var budget = new RenderBudget(clock);
        for (var pause = 0; pause < 7; pause++)
        {
            clock.Add(TimeSpan.FromHours(1));
            budget.Characters(2 << 20);
        }
    }

    // The whole of what may be written.
    [Theory]
    [Trait("Needs", "Minutes")]
    [InlineData("endless output", "{% set x = 'x' * 1000000 %}" + Forever + "{{ x }}{% endfor %}{% endfor %}", "characters")]
    [InlineData("a doubling string", "{% set n = namespace(s='x') %}{% for a in range(100) %}{% set n.s = n.s ~ n.s %}{% endfor %}", "characters")]
    public void MuchIsWrittenBeforeLimitsEndIt(string claim, string source, string limits) => LimitsEndIt(claim, source, limits);

    [Theory]
    [InlineData("(", "1", ")")]
    [InlineData("[", "1", "]")]
    [InlineData("{1:", "1", "}")]
    [InlineData("-", "1", "")]
    [InlineData("not ", "1", "")]
    [InlineData("1 if 1 else ", "1", "")]
    [InlineData("x[", "1", "]")]
    [InlineData("f(", "1", ")")]
    [InlineData("", "1", " + 1")]
    [InlineData("", "1", " | string")]
    [InlineData("", "x", ".x")]
    public void DeepExpressionsAreRefused(string before, string middle, string after)
    {
        var (_, error) = TemplateFixture.Render("{{ " + Repeated(before) + middle + Repeated(after) + " }}", new() { ["x"] = 1 });
        Assert.Contains("levels deep", error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{% if 1 %}", "{% endif %}")]
    [InlineData("{% for x in [1] %}", "{% endfor %}")]
    [InlineData("{% set x %}", "{% endset %}")]
    [InlineData("{% macro f() %}", "{% endmacro %}")]
    [InlineData("{% filter upper %}", "{% endfilter %}")]
    public void DeepStatementsAreRefused(string open, string close) =>
        Assert.Contains("levels deep", TemplateFixture.Render(Repeated(open) + Repeated(close)).Error, StringComparison.Ordinal);

    private static string Repeated(string text) => string.Concat(Enumerable.Repeat(text, 20_000));
}
