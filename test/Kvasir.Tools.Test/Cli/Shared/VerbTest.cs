using System.CommandLine;
using System.Text.RegularExpressions;
using Kvasir.Cli;
using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;

namespace Kvasir.Tools.Test.Cli.Shared;

/// <summary>What is said of verbs and flags is made from their definitions; here the definitions are held to what makes that possible.</summary>
public sealed class VerbTest
{
    public static TheoryData<string> Names => [.. All.Select(static verb => verb.Name)];

    private static IReadOnlyList<Verb> All => Verbs.All(new Shell(TextReader.Null, TextWriter.Null, TextWriter.Null));

    [Theory]
    [MemberData(nameof(Names))]
    public void HelpHasAllOfTheDefinition(string name)
    {
        var (verb, flags) = Find(name);
        var run = CliRun.Of([.. name.Split(' '), "--help"]);
        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        var help = Words(run.Output);
        Assert.StartsWith(Words($"{verb.Summary}. Usage: kvasir {name}"), help, StringComparison.Ordinal);
        Assert.All(verb.Operands, operand => Assert.Contains(Words($" {operand.Name} {operand.Help}"), help, StringComparison.Ordinal));
        Assert.All(flags, flag =>
        {
            var facts = flag.Facts.Length > 0 ? $"[{flag.Facts}]" : "";
            Assert.Contains(Words($"{flag.Name} {flag.ValueName} {flag.Help} {facts}"), help, StringComparison.Ordinal);
        });
        Assert.All(verb.Flags, group => Assert.Contains($"\n{group.Title}:\n", run.Output, StringComparison.Ordinal));
        Assert.All(verb.Examples, example => Assert.Contains($"\n  {example}\n", run.Output, StringComparison.Ordinal));
        Assert.Contains(Words(verb.Notes), help, StringComparison.Ordinal);
        Assert.Equal(run.Output, CliRun.Of([.. name.Split(' '), "-h"]).Output);
    }

    [Theory]
    [InlineData("run", "kvasir run MODEL [PROMPT] [flags]")]
    [InlineData("policies", "kvasir policies [flags]")]
    [InlineData("eval", "kvasir eval TASK MODEL [flags]")]
    [InlineData("eval agree", "kvasir eval agree MODEL [flags]")]
    [InlineData("eval ppl", "kvasir eval ppl MODEL [flags]")]
    [InlineData("completion", "kvasir completion SHELL")]
    public void UsageNamesWhatTheVerbItselfTakes(string name, string usage)
    {
        var help = CliRun.Of([.. name.Split(' '), "--help"]).Output;
        Assert.Contains($"\nUsage:\n  {usage}\n\n", help, StringComparison.Ordinal);
        Assert.Equal(usage.Contains("TASK", StringComparison.Ordinal), help.Contains("TASK ", StringComparison.Ordinal));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void FlagsAreDistinctAndSpelledAlike(string name)
    {
        var flags = Find(name).Flags;
        Assert.All(flags, static flag => Assert.Matches("^--[a-z][a-z0-9]*(-[a-z]+)*$", flag.Name));
        Assert.All(flags, static flag => Assert.Matches("^(-[a-z])?$", flag.Letter ?? ""));
        string[] typed = [.. flags.SelectMany(static flag => flag.Letter is { } letter ? (string[])[flag.Name, letter] : [flag.Name])];
        Assert.Equal(typed.Distinct(), typed);
        // What other tools call a flag leads to one of ours, and is none itself.
        string[] elsewhere = [.. flags.SelectMany(static flag => flag.Elsewhere).Where(word => !typed.Contains(word))];
        Assert.Equal(elsewhere.Distinct(), elsewhere);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void HelpIsWrittenAlike(string name)
    {
        var (verb, flags) = Find(name);
        string[] lines = [verb.Summary, .. flags.Select(static flag => flag.Help), .. verb.Operands.Select(static operand => operand.Help)];
        Assert.All(lines, static line => Assert.Matches("^(a:|budget:|bash,|[A-Z]).*[^.]$", line));
        Assert.All(flags.Where(static flag => flag.ValueName is not null), static flag => Assert.Matches("^[A-Z]+(=[A-Z]+)?$", flag.ValueName!));
        Assert.All(verb.Examples, static example => Assert.Contains("kvasir ", example, StringComparison.Ordinal));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void DefaultsAndChoicesCanBeTyped(string name)
    {
        foreach (var flag in Find(name).Flags.Where(static flag => flag.ValueName is not null))
        {
            var fallback = Regex.Match(flag.Facts, @"default: (\S+)$").Groups[1].Value;
            var isTyped = flag.GetType().GetProperty("Default")!.GetValue(flag) is not null;
            foreach (var value in flag.Choices.Concat(isTyped ? [fallback] : []))
            {
                var option = flag.ForParser();
                Assert.Empty(new RootCommand { Options = { option } }.Parse([flag.Name, value]).Errors);
            }
        }
    }

    // A variable of a script that was never set: taken as a path it would be left aside, or end in an exception of the file system.
    [Theory]
    [MemberData(nameof(Names))]
    public void AnEmptyPathIsNone(string name)
    {
        foreach (var flag in Find(name).Flags.OfType<ValueFlag<string>>().Where(static flag => flag.TakesPath))
            Assert.Equal($"'' is not {flag.Value.Allowed}", Assert.Throws<KvasirException>(() => flag.Value.Parse("")).Message);
    }

    [Fact]
    public void AFlagOfSeveralVerbsTakesOneKindOfValue()
    {
        foreach (var flags in All.SelectMany(static verb => verb.Flags).SelectMany(static group => group.Flags).GroupBy(static flag => flag.Name))
        {
            // Lists of a kind are that kind; what JSON is written to, what inspect attends, and whose figures are meant, is said by a switch and by a value.
            // A target is a share for tune, and what to be good at for plan.
            var kinds = flags.Select(static flag => Kind(flag.GetType())).Distinct().ToArray();
            var isOne = kinds.Length == 1 || flags.Key is "--json" or "--attention" or "--machine" or "--target";
            Assert.True(isOne, $"{flags.Key}: {string.Join(", ", kinds.Select(static kind => kind.Name))}");
            Assert.Single(flags.Select(static flag => flag.Letter).Distinct());
        }

        static Type Kind(Type flag)
        {
            var value = flag.IsGenericType ? flag.GetGenericArguments()[0] : flag;
            return value.IsArray ? value.GetElementType()! : value;
        }
    }

    [Fact]
    public void TheToolsHelpListsEveryVerb()
    {
        var help = Words(CliRun.Of("--help").Output);
        foreach (var verb in All.Where(static verb => verb.Above.Length == 0))
            Assert.Contains(Words($"{verb.Usage[7..]} {verb.Summary}"), help, StringComparison.Ordinal);
        Assert.All(ExitCode.Meanings, code => Assert.Contains(Words($"{code.Code} {code.Meaning}"), help, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(20)]
    [InlineData(60)]
    [InlineData(200)]
    public void HelpFitsTheTerminal(int columns)
    {
        foreach (var name in All.Select(static verb => verb.Name))
        {
            var shell = new Shell(TextReader.Null, new StringWriter(), new StringWriter()) { Columns = () => columns };
            var lines = CliRun.With(shell, [.. name.Split(' '), "--help"]).Output.Split('\n');
            // Lines to paste and words are not broken, and a column of meanings has 24 characters at least.
            var sentences = lines.Where(static line => line.Contains(' ', StringComparison.Ordinal) && line[0] != ' ');
            Assert.All(sentences, line => Assert.InRange(line.Length, 0, Math.Min(110, Math.Max(columns, 36))));
            var meanings = lines.Where(static line => line.StartsWith("    ", StringComparison.Ordinal));
            Assert.All(meanings, line => Assert.InRange(line.Length, 0, Math.Min(110, Math.Max(columns, 76))));
        }
    }

    private static (Verb Verb, Flag[] Flags) Find(string name)
    {
        var verb = All.Single(verb => verb.Name == name);
        return (verb, [.. verb.AllFlags]);
    }

    private static string Words(string text) => string.Join(' ', text.Split((char[])[' ', '\n', '\r'], StringSplitOptions.RemoveEmptyEntries));
}
