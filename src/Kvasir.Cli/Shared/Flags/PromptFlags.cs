using System.CommandLine;
using System.CommandLine.Parsing;
using Kvasir.Evaluation.Files;
using Kvasir.Evaluation.LabelFree;

namespace Kvasir.Cli.Shared.Flags;

/// <summary>Somebody's own prompts, and how policies are held against dense attention on them.</summary>
internal sealed class PromptFlags
{
    private static readonly AgreementOptions Defaults = new();
    private readonly Option<string?> _files = new("--prompt-file") { HelpName = "PATH", Description = "A prompt, in UTF-8, as it is and without a chat template; several files with commas between" };
    private readonly Option<string?> _lines = new("--prompts") { HelpName = "PATH", Description = "Prompts, one a line: JSONL with the field prompt (or input)" };
    private readonly Option<int?> _tokens = Typed.Whole("--tokens", $"Most tokens of dense attention's answer, which every policy is fed, 2 to {AgreementOptions.MostTokens} [default: {Defaults.Tokens}]", 2, AgreementOptions.MostTokens);
    private readonly Option<int?> _question = Typed.Whole("--question-tokens", $"In protocol b: how many of a prompt's last tokens are fed under the policy [default: {Defaults.QuestionTokens}]", 1, int.MaxValue);
    private readonly Option<bool> _ignoreEnd = new("--ignore-end") { Description = "Go on past end-of-text tokens, to --tokens, so that every prompt counts the same" };

    public void AddTo(Command command)
    {
        foreach (var option in (Option[])[_lines, _files, _tokens, _question, _ignoreEnd])
            command.Options.Add(option);
    }

    public bool AreTyped(CommandResult result) => result.GetResult(_files) is not null || result.GetResult(_lines) is not null;

    /// <summary>For commands that cannot do without prompts.</summary>
    public void Require(CommandResult result)
    {
        if (result.GetResult(_files) is not null && result.GetResult(_lines) is not null)
            result.AddError("--prompts and --prompt-file were given; one of them is allowed");
        else if (!AreTyped(result))
            result.AddError("prompts are missing: --prompts FILE with one a line as JSON, or --prompt-file FILE");
    }

    /// <exception cref="KvasirException">A file is missing, damaged, empty, or no text.</exception>
    public (IReadOnlyList<UserPrompt> Prompts, IReadOnlyList<string> Files) Read(ParseResult typed)
    {
        if (typed.GetValue(_lines) is { } lines)
            return (UserPrompt.OfLines(lines), [lines]);
        string[] files = [.. typed.GetValue(_files)!.Split(',', StringSplitOptions.TrimEntries).Distinct()];
        return (UserPrompt.OfFiles(files), files);
    }

    public AgreementOptions Options(ParseResult typed) => Defaults with
    {
        Tokens = typed.GetValue(_tokens) ?? Defaults.Tokens,
        QuestionTokens = typed.GetValue(_question) ?? Defaults.QuestionTokens,
        IgnoreEnd = typed.GetValue(_ignoreEnd),
    };
}
