using System.CommandLine;
using System.Globalization;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Evaluation;
using Kvasir.Evaluation.Results;
using Kvasir.Evaluation.Running;

namespace Kvasir.Cli.Eval;

/// <summary>What <c>eval</c> evaluates.</summary>
internal sealed class EvalFlags
{
    private const int DefaultContext = 4096;
    private const int MaxSamples = 1_000_000;
    private static readonly EvaluationPlan Defaults = new() { Tasks = [], Contexts = [], Policies = [] };

    private readonly Argument<string[]> _tasks = new("TASK")
    {
        Description = $"Tasks or families, with commas between: {string.Join(", ", TaskCatalog.Entries.Select(static entry => entry.Family).Distinct())}, {string.Join(", ", TaskCatalog.Entries.Select(static entry => entry.Name))}",
        Arity = ArgumentArity.ExactlyOne,
        CustomParser = static result =>
        {
            string[] names = [.. result.Tokens[^1].Value.Split(',', StringSplitOptions.TrimEntries).Distinct()];
            foreach (var name in names)
            {
                try
                {
                    TaskCatalog.Find(name);
                }
                catch (KvasirException refusal)
                {
                    result.AddError(refusal.Message);
                    break;
                }
            }

            return names;
        },
    };

    private readonly Option<string?> _file = new("--file") { HelpName = "PATH", Description = "The file of tasks that need one: jsonl, longbench, qa_1, qa_2" };
    private readonly Option<int[]?> _context = Typed.Parsed(
        "--context", "LIST", $"Tokens of prompt and answer, as 4096,16k [default: {DefaultContext}, or the model's native window if that is less]", "a list of token counts such as 4096,16k",
        static text => Typed.List(text, static part => SizeText.TryTokens(part, out var tokens) ? tokens : (int?)null));

    private readonly ComparisonFlags _compared = new(auditShare: 0);
    private readonly Option<int?> _samples = Typed.Whole("--samples", $"Of each task and length, 1 to {MaxSamples} [default: {Defaults.Samples}]", 1, MaxSamples);
    private readonly Option<ulong?> _seed = Typed.Parsed<ulong?>(
        "--seed", "N", $"Of the samples: the same seed gives the same texts [default: {Defaults.Seed}]", "a whole number from 0 to 2^64 - 1",
        static text => ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var seed) ? seed : null);

    public ComparisonFlags Compared => _compared;

    public void AddTo(Command command)
    {
        command.Arguments.Add(_tasks);
        foreach (var option in (Option[])[_context, _samples, _seed, _file])
            command.Options.Add(option);
        _compared.AddTo(command);
    }

    /// <summary>The tasks, with their files read.</summary>
    /// <exception cref="KvasirException">A file is missing, damaged or empty, or given in vain.</exception>
    public IReadOnlyList<PlannedTask> Tasks(ParseResult typed)
    {
        var (names, file) = (typed.GetValue(_tasks)!, typed.GetValue(_file));
        var takers = names.Where(name => TaskCatalog.Find(name).Any(static entry => entry.Needs is not null)).ToHashSet();
        return [.. names.SelectMany(name => PlannedTask.Of(name, takers.Count == 0 || takers.Contains(name) ? file : null)).DistinctBy(static task => task.Name)];
    }

    /// <summary>Tasks of the families that were asked for which need a file that was not given.</summary>
    public IEnumerable<string> LeftOut(ParseResult typed, IReadOnlyList<PlannedTask> tasks) =>
        typed.GetValue(_tasks)!.SelectMany(TaskCatalog.Find).Select(static entry => entry.Name).Distinct().Except(tasks.Select(static task => task.Name));

    public EvaluationPlan Read(ParseResult typed, IReadOnlyList<PlannedTask> tasks, int nativeTokens) => _compared.Read(typed) with
    {
        Tasks = tasks,
        Contexts = typed.GetValue(_context) is [_, ..] contexts ? contexts : [Math.Min(DefaultContext, nativeTokens)],
        Samples = typed.GetValue(_samples) ?? Defaults.Samples,
        Seed = typed.GetValue(_seed) ?? Defaults.Seed,
    };
}
