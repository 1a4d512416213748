using System.CommandLine;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Evaluation;
using Kvasir.Evaluation.LabelFree;
using Kvasir.Evaluation.Running;

namespace Kvasir.Cli.Eval;

/// <summary>What <c>eval ppl</c> measures.</summary>
internal sealed class PplFlags
{
    private const int DefaultContext = 4096;
    private const int DefaultScored = 256;
    private const int DefaultWindows = 8;
    private const int MaxWindows = 1_000_000;
    private readonly Option<string> _file = new("--file") { HelpName = "PATH", Description = "A text in UTF-8", Required = true };
    private readonly Option<int[]?> _context = Typed.Parsed(
        "--context", "LIST", $"Tokens of a window, as 4096,16k [default: {DefaultContext}, or the model's native window if that is less]", "a list of token counts such as 4096,16k",
        static text => Typed.List(text, static part => SizeText.TryTokens(part, out var tokens) ? tokens : (int?)null));

    private readonly Option<int?> _scored = Typed.Whole("--scored", $"Last tokens of a window, which are fed under the policy and predicted [default: {DefaultScored}]", 1, int.MaxValue >> 1);
    private readonly Option<int?> _windows = Typed.Whole("--windows", $"The most windows of each length, drawn evenly from the whole text, 1 to {MaxWindows} [default: {DefaultWindows}]", 1, MaxWindows);
    private readonly ComparisonFlags _compared = new(auditShare: 0, hasProtocols: false);

    public ComparisonFlags Compared => _compared;

    public void AddTo(Command command)
    {
        foreach (var option in (Option[])[_file, _context, _scored, _windows])
            command.Options.Add(option);
        _compared.AddTo(command);
    }

    /// <exception cref="KvasirException">A length has no room for the scored tokens or is beyond the model, or the file is no text, or shorter than a window.</exception>
    public EvaluationPlan Read(ParseResult typed, Model model)
    {
        var native = model.Config.ContextTokens;
        var contexts = typed.GetValue(_context) is [_, ..] asked ? asked : [Math.Min(DefaultContext, native)];
        if (contexts.Max() > native)
            throw new KvasirException(KvasirError.ContextExceeded, $"a context of {contexts.Max()} tokens is beyond the {native} that {model.Config.Name} was made for");
        var task = new PerplexityTask(typed.GetValue(_file)!, model.Tokenizer, contexts, typed.GetValue(_scored) ?? DefaultScored, typed.GetValue(_windows) ?? DefaultWindows);
        return _compared.Read(typed) with { Tasks = [task], Contexts = contexts, Protocols = [Protocol.QuestionSparse], Samples = task.SampleCount!.Value };
    }
}
