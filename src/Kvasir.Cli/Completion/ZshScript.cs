using System.Text;
using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;

namespace Kvasir.Cli.Completion;

/// <summary>Completion for zsh, by <c>_arguments</c>, with help beside every flag.</summary>
internal static class ZshScript
{
    private const string Beginning = """
        #compdef kvasir
        # zsh completion of kvasir; put it as _kvasir into a folder of fpath, or source it after compinit
        _kvasir() {
          local -a verbs
          verbs=(

        """;

    private const string Middle = """
          )
          if (( CURRENT == 2 )); then
            _describe -t verbs verb verbs
            _arguments '--help[Show the verbs]' '--version[Show the version]'
            return
          fi
          shift words
          (( CURRENT-- ))
          local verb=$words[1]

        """;

    private const string Ending = """
          esac
        }
        if [[ $funcstack[1] == _kvasir ]]; then _kvasir "$@"; else compdef _kvasir kvasir; fi

        """;

    public static string Of(IReadOnlyList<Verb> verbs)
    {
        var script = new StringBuilder(Beginning);
        foreach (var verb in verbs.Where(static verb => verb.Above.Length == 0))
            script.Append("    ").Append(Quoted($"{verb.Name}:{verb.Summary}")).Append('\n');
        script.Append(Middle);
        foreach (var verb in verbs.Where(static verb => verb.Above.Length > 0))
        {
            script.Append($"  if [[ $verb == '{verb.Above}' && CURRENT -gt 2 && $words[2] == {verb.Word} ]]; then\n");
            script.Append($"    shift words; (( CURRENT-- )); verb='{verb.Name}'\n  fi\n");
        }


        script.Append("  case $verb in\n");
        foreach (var verb in verbs)
            Append(script, verb, verbs);
        return script.Append(Ending).ToString();
    }

    private static void Append(StringBuilder script, Verb verb, IReadOnlyList<Verb> verbs)
    {
        script.Append($"    '{verb.Name}')\n      _arguments \\\n");
        foreach (var flag in verb.AllFlags)
            script.Append($"        {Argument(flag)} \\\n");
        string[] beneath = [.. verbs.Where(other => other.Above == verb.Name).Select(static other => other.Word)];
        foreach (var operand in verb.Operands)
        {
            var action = Action([.. operand.Choices, .. beneath], operand.TakesPath);
            script.Append($"        {Quoted($"{(operand.IsRepeated ? "*:" : operand.IsOptional ? "::" : ":")}{operand.Name}:{action}")} \\\n");
            beneath = [];
        }

        script.Append("        '(-h --help)'{-h,--help}'[Show help]' ;;\n");
    }

    private static string Argument(Flag flag)
    {
        var value = flag.ValueName is { } name ? $":{name}:{Action(flag.Choices, flag.TakesPath)}" : "";
        var help = $"[{Escaped(flag.Help)}]{value}";
        return flag.Letter is { } letter
            ? $"'({letter} {flag.Name})'{{{letter},{flag.Name}}}{Quoted(help)}"
            : Quoted($"{flag.Name}{help}");
    }

    // Words and files at once need a state of their own; lists go on behind a comma.
    private static string Action(IReadOnlyList<string> choices, bool takesPath) => (choices.Count, takesPath) switch
    {
        (0, true) => "_files",
        (0, false) => " ",
        (_, true) => $"{{_alternative 'words:word:({string.Join(' ', choices)})' 'files:file:_files'}}",
        _ => $"_sequence compadd - {string.Join(' ', choices)}",
    };

    private static string Escaped(string help) => help.Replace("\\", @"\\", StringComparison.Ordinal).Replace("[", @"\[", StringComparison.Ordinal)
        .Replace("]", @"\]", StringComparison.Ordinal);

    private static string Quoted(string text) => $"'{text.Replace("'", @"'\''", StringComparison.Ordinal)}'";
}
