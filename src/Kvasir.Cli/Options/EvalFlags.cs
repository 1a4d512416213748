using System.CommandLine;
using System.Globalization;
using Kvasir.Attention;
using Kvasir.Evaluation;
using Kvasir.Evaluation.Results;
using Kvasir.Evaluation.Running;
using Kvasir.Kernels.Attention;

namespace Kvasir.Cli.Options;

/// <summary>What <c>eval</c> evaluates.</summary>
internal sealed class EvalFlags
{
    private const string Budget = "budget";
    private const int DefaultContext = 4096;
    private const int MaxSamples = 1_000_000;
    private const int MaxBatch = 512;
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
        static text => List(text, static part => SizeText.TryTokens(part, out var tokens) ? tokens : (int?)null));

    private readonly Option<AttentionPolicy[]?> _attention = new("--attention")
    {
        HelpName = "LIST",
        Description = $"Policies to compare with dense attention, as name or name:key=value,...; several with commas between: {string.Join(", ", PolicyCatalog.Entries.Select(static entry => entry.Name))} [default: dense]",
        CustomParser = static result => PolicyList.Parse(result, "--attention"),
    };

    private readonly Option<int?> _minContext = Typed.Whole(
        "--min-context", "Tokens in sight below which policies read everything, for all that are not told one [default: each policy's own]", 0, int.MaxValue);

    private readonly Option<string?> _sweep = Typed.Parsed<string?>(
        "--sweep", "WHAT", "budget: run each policy from few keys to many", Budget, static text => text == Budget ? text : null);

    private readonly Option<Protocol[]?> _protocol = Typed.Parsed(
        "--protocol", "LIST", "a: the question is computed densely with the prompt; b: it is fed under the policy; or a,b [default: a]", "a, b or a,b",
        static text => List(text, ProtocolText.Parse));

    private readonly Option<int?> _samples = Typed.Whole("--samples", $"Of each task and length, 1 to {MaxSamples} [default: {Defaults.Samples}]", 1, MaxSamples);
    private readonly Option<ulong?> _seed = Typed.Parsed<ulong?>(
        "--seed", "N", $"Of the samples: the same seed gives the same texts [default: {Defaults.Seed}]", "a whole number from 0 to 2^64 - 1",
        static text => ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var seed) ? seed : null);

    private readonly Option<int?> _batch = Typed.Whole("--batch", $"Samples that compute side by side where memory allows, 1 to {MaxBatch} [default: {Defaults.BatchSequences}]", 1, MaxBatch);
    private readonly Option<double?> _audit = EngineFlags.Audit();
    private readonly Option<KvType?> _kv = EngineFlags.Kv();
    private readonly Option<long?> _kvMemory = EngineFlags.KvMemory();
    private readonly Option<int?> _threads = EngineFlags.Threads();

    public void AddTo(Command command)
    {
        command.Arguments.Add(_tasks);
        foreach (var option in (Option[])[_context, _attention, _minContext, _sweep, _protocol, _samples, _seed, _file, _audit, _batch, _kv, _kvMemory, _threads])
            command.Options.Add(option);
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

    public EvaluationPlan Read(ParseResult typed, IReadOnlyList<PlannedTask> tasks, int nativeTokens) => Defaults with
    {
        Tasks = tasks,
        Contexts = typed.GetValue(_context) is [_, ..] contexts ? contexts : [Math.Min(DefaultContext, nativeTokens)],
        Policies = Policies(typed),
        Protocols = typed.GetValue(_protocol) is [_, ..] protocols ? protocols : Defaults.Protocols,
        Samples = typed.GetValue(_samples) ?? Defaults.Samples,
        Seed = typed.GetValue(_seed) ?? Defaults.Seed,
        BatchSequences = typed.GetValue(_batch) ?? Defaults.BatchSequences,
        AuditShare = typed.GetValue(_audit) ?? 0,
        Kv = typed.GetValue(_kv) ?? Defaults.Kv,
        KvMemoryBytes = typed.GetValue(_kvMemory) ?? 0,
        Threads = typed.GetValue(_threads) ?? 0,
    };

    /// <summary>Whether an option only says which policies are compared.</summary>
    public bool ChoosesPolicies(Option option) => option == _attention || option == _minContext || option == _sweep;

    private AttentionPolicy[] Policies(ParseResult typed)
    {
        AttentionPolicy[] policies = typed.GetValue(_attention) is [_, ..] asked ? asked : [PolicyCatalog.Parse(PairedDifference.Dense)];
        if (typed.GetValue(_minContext) is { } tokens)
            policies = Array.ConvertAll(policies, policy => PolicyList.WithMinContext(policy, tokens));
        return typed.GetValue(_sweep) is not null ? [.. policies.SelectMany(PolicyCatalog.Sweep)] : policies;
    }

    // Ascending, each once; null where a part is not understood.
    private static T[]? List<T>(string text, Func<string, T?> parse)
        where T : struct
    {
        var values = Array.ConvertAll(text.Split(',', StringSplitOptions.TrimEntries), part => parse(part));
        return Array.TrueForAll(values, static value => value is not null) ? [.. values.Select(static value => value!.Value).Distinct().Order()] : null;
    }
}
