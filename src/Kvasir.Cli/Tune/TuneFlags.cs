using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using Kvasir.Attention;
using Kvasir.Cli.Eval;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Evaluation;
using Kvasir.Evaluation.LabelFree;
using Kvasir.Evaluation.Results;
using Kvasir.Evaluation.Running;
using Kvasir.Evaluation.Tuning;
using Kvasir.Kernels.Attention;

namespace Kvasir.Cli.Tune;

/// <summary>What <c>tune</c> measures, and what it looks for.</summary>
internal sealed class TuneFlags
{
    private const int DefaultContext = 4096;
    private const int DefaultSamples = 20;
    private const int MaxSamples = 1_000_000;
    private const int MaxSteps = 20;
    private const int MaxBatch = 512;
    private const string Keys = "keys";
    private const string Time = "time";
    private const string DefaultPolicies = "psa,guarded,magicpig,quest,alisa,h2o,streaming";
    private static readonly TuneOptions Defaults = new();
    private static readonly EvaluationPlan PlanDefaults = new() { Tasks = [], Contexts = [], Policies = [] };
    private readonly PromptFlags _prompts = new();

    private readonly Option<double?> _target = Typed.Parsed<double?>(
        "--target", "SHARE", "What is to be kept of dense attention's answers, or of its score, as 99% or 0.99 [default: 99%]", "a share above 0 and at most 1, such as 99% or 0.99", Share);

    private readonly Option<string?> _task = new("--task") { HelpName = "NAME", Description = "Keep the score of this task instead of agreement on prompts: kvasir eval --help lists them" };
    private readonly Option<string?> _file = new("--file") { HelpName = "PATH", Description = "With --task: its file, where it needs one" };
    private readonly Option<int?> _context = Typed.Parsed<int?>(
        "--context", "TOKENS", $"With --task: tokens of prompt and answer, as 4096 or 16k [default: {DefaultContext}, or the model's native window if that is less]", "a number of tokens such as 4096, 32k or 1M",
        static text => SizeText.TryTokens(text, out var tokens) ? tokens : null);

    private readonly Option<int?> _samples = Typed.Whole("--samples", $"With --task: 1 to {MaxSamples} [default: {DefaultSamples}]", 1, MaxSamples);
    private readonly Option<ulong?> _seed = Typed.Parsed<ulong?>(
        "--seed", "N", $"With --task: of the samples [default: {PlanDefaults.Seed}]", "a whole number from 0 to 2^64 - 1",
        static text => ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var seed) ? seed : null);

    private readonly Option<AttentionPolicy[]?> _attention = new("--attention")
    {
        HelpName = "LIST",
        Description = $"Policies whose budgets are searched (kvasir policies lists them); options that are no budget are kept as typed; @FILE reads one [default: {DefaultPolicies}]",
        CustomParser = static result => PolicyList.Parse(result, "--attention"),
    };

    private readonly Option<int?> _minContext = ComparisonFlags.MinContextOption();
    private readonly Option<Protocol?> _protocol = Typed.Parsed<Protocol?>(
        "--protocol", "LETTER", "a: the question is computed densely with the prompt; b: it is fed under the policy [default: a]", "a or b", static text => ProtocolText.Parse(text));

    private readonly Option<string?> _by = Typed.Parsed<string?>(
        "--by", "COST", $"What the cheapest has least of: {Keys} read, or {Time} a token [default: {Keys}]", $"{Keys} or {Time}", static text => text is Keys or Time ? text : null);

    private readonly Option<int?> _steps = Typed.Whole("--steps", $"Settings that are tried between two budgets, 0 to {MaxSteps} [default: {Defaults.Steps}]", 0, MaxSteps);
    private readonly Option<int?> _batch = Typed.Whole("--batch", $"Samples that compute side by side where memory allows, 1 to {MaxBatch} [default: {PlanDefaults.BatchSequences}]", 1, MaxBatch);
    private readonly Option<KvType?> _kv = EngineFlags.Kv();
    private readonly Option<long?> _kvMemory = EngineFlags.KvMemory();
    private readonly Option<int?> _threads = EngineFlags.Threads();

    public void AddTo(Command command)
    {
        _prompts.AddTo(command);
        foreach (var option in (Option[])[_target, _task, _file, _context, _samples, _seed, _attention, _minContext, _protocol, _by, _steps, _batch, _kv, _kvMemory, _threads])
            command.Options.Add(option);
        command.Validators.Add(Require);
    }

    public bool IsOfTask(ParseResult typed) => typed.GetValue(_task) is not null;

    public TuneOptions Options(ParseResult typed) => new(typed.GetValue(_target) ?? Defaults.Target, typed.GetValue(_steps) ?? Defaults.Steps, typed.GetValue(_by) == Time);

    /// <summary>What is measured, with its files read.</summary>
    /// <exception cref="KvasirException">A file is missing, damaged, empty, or no text, or the task is unknown.</exception>
    public IReadOnlyList<PlannedTask> Tasks(ParseResult typed)
    {
        if (typed.GetValue(_task) is { } name)
            return PlannedTask.Of(name, typed.GetValue(_file));
        var (prompts, files) = _prompts.Read(typed);
        return [new AgreementTask(prompts, files, _prompts.Options(typed) with { MeasuresDivergence = false, DecodesAnswers = false })];
    }

    /// <param name="tasks">As <see cref="Tasks"/> made them.</param>
    public EvaluationPlan Read(ParseResult typed, IReadOnlyList<PlannedTask> tasks, Model model)
    {
        var native = model.Config.ContextTokens;
        var agreement = tasks[0] as AgreementTask;
        AttentionPolicy[] policies = typed.GetValue(_attention) is [_, ..] asked ? asked : [.. DefaultPolicies.Split(',').Select(PolicyCatalog.Parse)];
        return PlanDefaults with
        {
            Tasks = tasks,
            Contexts = [agreement is null ? typed.GetValue(_context) ?? Math.Min(DefaultContext, native) : Math.Clamp(agreement.LongestTokens(model), 1, native)],
            Policies = typed.GetValue(_minContext) is { } tokens ? Array.ConvertAll(policies, policy => ComparisonFlags.WithMinContext(policy, tokens)) : policies,
            Protocols = [typed.GetValue(_protocol) ?? Protocol.QuestionDense],
            Samples = agreement?.SampleCount ?? typed.GetValue(_samples) ?? DefaultSamples,
            Seed = typed.GetValue(_seed) ?? PlanDefaults.Seed,
            BatchSequences = typed.GetValue(_batch) ?? PlanDefaults.BatchSequences,
            Kv = typed.GetValue(_kv) ?? PlanDefaults.Kv,
            KvMemoryBytes = typed.GetValue(_kvMemory) ?? 0,
            Threads = typed.GetValue(_threads) ?? 0,
        };
    }

    private void Require(CommandResult result)
    {
        if (result.GetResult(_task) is null)
        {
            if (Array.Find((Option[])[_file, _context, _samples, _seed], option => result.GetResult(option) is not null) is { } needy)
                result.AddError($"{needy.Name} has a meaning with --task NAME only");
            else
                _prompts.Require(result);
        }
        else if (_prompts.AreTyped(result))
        {
            result.AddError("prompts and --task were given; one of them is allowed");
        }
    }

    private static double? Share(string text)
    {
        var (digits, scale) = text.EndsWith('%') ? (text[..^1], 100.0) : (text, 1);
        return double.TryParse(digits, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var value) && value / scale is > 0 and <= 1 ? value / scale : null;
    }
}
