using System.Text;
using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;

namespace Kvasir.Cli.Completion;

/// <summary>Completion for bash. Behind the last comma of a list the next word of it is completed.</summary>
internal static class BashScript
{
    private const string Beginning = """
        # bash completion of kvasir; source it, as by: source <(kvasir completion bash)
        _kvasir_words() {
          local last=${cur##*,}
          compopt +o default
          COMPREPLY=($(compgen -P "${cur%"$last"}" -W "$1" -- "$last"))
        }
        _kvasir_files() {
          local file
          compopt -o filenames -o default
          while IFS= read -r file; do COMPREPLY+=("$file"); done < <(compgen -f -- "$cur")
        }
        _kvasir() {
          local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} verb= i
          # The equals sign of --flag=value is a word of its own.
          if [[ $cur == = ]]; then cur=; elif [[ $prev == = ]]; then prev=${COMP_WORDS[COMP_CWORD-2]}; fi
          COMPREPLY=()
          for ((i = 1; i < COMP_CWORD && i < 3; i++)); do

        """;

    private const string Ending = """
          esac
        }
        complete -o default -F _kvasir kvasir

        """;

    public static string Of(IReadOnlyList<Verb> verbs)
    {
        var script = new StringBuilder(Beginning);
        script.Append("    case \"${verb:+$verb }${COMP_WORDS[i]}\" in\n");
        script.Append("      ").AppendJoin('|', verbs.Select(static verb => $"'{verb.Name}'")).Append(") verb=\"${verb:+$verb }${COMP_WORDS[i]}\" ;;\n");
        script.Append("    esac\n  done\n  case $verb in\n");
        script.Append($"    '') _kvasir_words \"{string.Join(' ', Beneath(verbs, ""))} --help --version\" ;;\n");
        foreach (var verb in verbs)
            Append(script, verb, Beneath(verbs, verb.Name));
        return script.Append(Ending).ToString();
    }

    private static void Append(StringBuilder script, Verb verb, IEnumerable<string> beneath)
    {
        var flags = verb.AllFlags.ToArray();
        script.Append($"    '{verb.Name}')\n      case $prev in\n");
        foreach (var flag in flags)
        {
            if (flag.Choices.Count > 0)
                script.Append($"        {Pattern(flag)}) _kvasir_words \"{string.Join(' ', flag.Choices)}\"; return ;;\n");
            else if (flag.TakesPath)
                script.Append($"        {Pattern(flag)}) return ;;\n");
            else if (flag.ValueName is not null)
                script.Append($"        {Pattern(flag)}) compopt +o default; return ;;\n");
        }

        var names = string.Join(' ', flags.SelectMany(Names));
        var words = string.Join(' ', verb.Operands.SelectMany(static operand => operand.Choices).Concat(beneath));
        script.Append("      esac\n");
        script.Append($"      if [[ $cur == -* ]]; then _kvasir_words \"{names} --help\"\n");
        if (words.Length > 0 && verb.Operands.Any(static operand => operand.TakesPath))
            script.Append($"      else _kvasir_words \"{words}\"; _kvasir_files\n");
        else if (words.Length > 0)
            script.Append($"      else _kvasir_words \"{words}\"\n");
        script.Append("      fi ;;\n");
    }

    private static IEnumerable<string> Names(Flag flag) => flag.Letter is { } letter ? [flag.Name, letter] : [flag.Name];

    private static string Pattern(Flag flag) => string.Join('|', Names(flag));

    private static IEnumerable<string> Beneath(IReadOnlyList<Verb> verbs, string name) =>
        from verb in verbs
        where verb.Above == name
        select verb.Word;
}
