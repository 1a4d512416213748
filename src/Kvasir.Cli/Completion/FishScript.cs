using System.Text;
using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;

namespace Kvasir.Cli.Completion;

/// <summary>Completion for fish, a line for each flag of each verb.</summary>
internal static class FishScript
{
    private const string Beginning = """
        # fish completion of kvasir; put it into ~/.config/fish/completions/kvasir.fish
        complete -c kvasir -n __fish_use_subcommand -f -l version -d 'Show the version'
        complete -c kvasir -s h -l help -d 'Show help'

        """;

    public static string Of(IReadOnlyList<Verb> verbs)
    {
        var script = new StringBuilder(Beginning);
        foreach (var verb in verbs)
        {
            var words = verb.Name.Split(' ');
            var above = words.Length == 1 ? "__fish_use_subcommand" : Quoted(Condition(words[..^1], []));
            script.Append($"complete -c kvasir -n {above} -f -a {words[^1]} -d {Quoted(verb.Summary)}\n");
            var beneath = verbs.Where(other => other.Above == verb.Name).Select(static other => other.Word);
            var condition = Quoted(Condition(words, [.. beneath]));
            var choices = verb.Operands.SelectMany(static operand => operand.Choices).ToArray();
            if (choices.Length > 0 || !verb.Operands.Any(static operand => operand.TakesPath))
                script.Append($"complete -c kvasir -n {condition}{(verb.Operands.Any(static operand => operand.TakesPath) ? "" : " -f")}{Words(choices)}\n");
            foreach (var flag in verb.AllFlags)
                script.Append($"complete -c kvasir -n {condition} {Names(flag)}{Value(flag)} -d {Quoted(flag.Help)}\n");
        }

        return script.ToString();
    }

    private static string Condition(string[] words, string[] beneath)
    {
        var seen = string.Join("; and ", words.Select(static word => $"__fish_seen_subcommand_from {word}"));
        return beneath.Length == 0 ? seen : $"{seen}; and not __fish_seen_subcommand_from {string.Join(' ', beneath)}";
    }

    private static string Names(Flag flag) => flag.Letter is { } letter ? $"-s {letter[1..]} -l {flag.Name[2..]}" : $"-l {flag.Name[2..]}";

    private static string Value(Flag flag) => flag.ValueName is null ? "" : flag.TakesPath ? $" -r -F{Words(flag.Choices)}" : $" -x{Words(flag.Choices)}";

    private static string Words(IReadOnlyList<string> choices) => choices.Count == 0 ? "" : $" -a '{string.Join(' ', choices)}'";

    private static string Quoted(string text) => $"'{text.Replace("\\", @"\\", StringComparison.Ordinal).Replace("'", @"\'", StringComparison.Ordinal)}'";
}
