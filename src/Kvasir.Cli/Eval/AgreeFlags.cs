using System.CommandLine;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Evaluation.LabelFree;
using Kvasir.Evaluation.Running;

namespace Kvasir.Cli.Eval;

/// <summary>What <c>eval agree</c> compares.</summary>
internal sealed class AgreeFlags
{
    private const double AuditShare = 0.05;
    private readonly PromptFlags _prompts = new();
    private readonly ComparisonFlags _compared = new(AuditShare);
    private readonly Option<bool> _noAnswers = new("--no-answers") { Description = "Do not let policies that differ answer by themselves: half the time, and no lengths of answers" };

    public ComparisonFlags Compared => _compared;

    public void AddTo(Command command)
    {
        _prompts.AddTo(command);
        command.Options.Add(_noAnswers);
        _compared.AddTo(command);
        command.Validators.Add(_prompts.Require);
    }

    /// <summary>With its files read.</summary>
    /// <exception cref="KvasirException">A file is missing, damaged, empty, or no text.</exception>
    public AgreementTask Task(ParseResult typed)
    {
        var (prompts, files) = _prompts.Read(typed);
        return new AgreementTask(prompts, files, _prompts.Options(typed) with { DecodesAnswers = !typed.GetValue(_noAnswers) });
    }

    /// <summary>A prompt beyond the native window is left to be refused by its name.</summary>
    public EvaluationPlan Read(ParseResult typed, AgreementTask task, Model model) => _compared.Read(typed) with
    {
        Tasks = [task],
        Contexts = [Math.Clamp(task.LongestTokens(model), 1, model.Config.ContextTokens)],
        Samples = task.SampleCount!.Value,
    };
}
