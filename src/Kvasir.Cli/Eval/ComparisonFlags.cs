using System.CommandLine;
using System.Globalization;
using Kvasir.Attention;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Evaluation;
using Kvasir.Evaluation.Results;
using Kvasir.Evaluation.Running;
using Kvasir.Kernels.Attention;

namespace Kvasir.Cli.Eval;

/// <summary>Which policies an evaluation compares with dense attention, and how it runs; what on, others say.</summary>
/// <param name="auditShare">Where none is typed.</param>
/// <param name="hasProtocols">Whether there is a question that a protocol could compute in one way or the other.</param>
internal sealed class ComparisonFlags(double auditShare, bool hasProtocols = true)
{
    private const string Budget = "budget";
    private const int MaxBatch = 512;
    private static readonly EvaluationPlan Defaults = new() { Tasks = [], Contexts = [], Policies = [] };

    private readonly Option<AttentionPolicy[]?> _attention = new("--attention")
    {
        HelpName = "LIST",
        Description = $"Policies to compare with dense attention, as name, name:key=value,... or @FILE with one; several with commas between: {PolicyCatalog.Names} [default: dense]",
        CustomParser = static result => PolicyList.Parse(result, "--attention"),
    };

    private readonly Option<int?> _minContext = MinContextOption();

    private readonly Option<string?> _sweep = Typed.Parsed<string?>(
        "--sweep", "WHAT", "budget: run each policy from few keys to many", Budget, static text => text == Budget ? text : null);

    private readonly Option<Protocol[]?> _protocol = Typed.Parsed(
        "--protocol", "LIST", "a: the question is computed densely with the prompt; b: it is fed under the policy; or a,b [default: a]", "a, b or a,b",
        static text => Typed.List(text, ProtocolText.Parse));

    private readonly Option<int?> _batch = Typed.Whole("--batch", $"Samples that compute side by side where memory allows, 1 to {MaxBatch} [default: {Defaults.BatchSequences}]", 1, MaxBatch);
    private readonly Option<double?> _audit = EngineFlags.Audit(auditShare);
    private readonly Option<KvType?> _kv = EngineFlags.Kv();
    private readonly Option<long?> _kvMemory = EngineFlags.KvMemory();
    private readonly Option<int?> _threads = EngineFlags.Threads();

    public static Option<int?> MinContextOption() => Typed.Whole(
        "--min-context", "Tokens in sight below which policies read everything, for all that are not told one [default: each policy's own]", 0, int.MaxValue);

    public void AddTo(Command command)
    {
        foreach (var option in (Option[])[_attention, _minContext, _sweep, .. hasProtocols ? (Option[])[_protocol] : [], _audit, _batch, _kv, _kvMemory, _threads])
            command.Options.Add(option);
    }

    /// <summary>Whether an option only says which policies are compared.</summary>
    public bool ChoosesPolicies(Option option) => option == _attention || option == _minContext || option == _sweep;

    /// <summary>A plan without tasks and lengths.</summary>
    public EvaluationPlan Read(ParseResult typed) => Defaults with
    {
        Policies = Policies(typed),
        Protocols = hasProtocols && typed.GetValue(_protocol) is [_, ..] protocols ? protocols : Defaults.Protocols,
        BatchSequences = typed.GetValue(_batch) ?? Defaults.BatchSequences,
        AuditShare = typed.GetValue(_audit) ?? auditShare,
        Kv = typed.GetValue(_kv) ?? Defaults.Kv,
        KvMemoryBytes = typed.GetValue(_kvMemory) ?? 0,
        Threads = typed.GetValue(_threads) ?? 0,
    };

    /// <summary>The policy with that option where it takes it and is not told another.</summary>
    public static AttentionPolicy WithMinContext(AttentionPolicy policy, int tokens) => policy.Spec.Sets(ExactZones.MinContextName) || !policy.Spec.Takes(ExactZones.MinContextName)
        ? policy
        : policy.Spec.With(ExactZones.MinContextName, tokens.ToString(CultureInfo.InvariantCulture)).Create();

    private AttentionPolicy[] Policies(ParseResult typed)
    {
        AttentionPolicy[] policies = typed.GetValue(_attention) is [_, ..] asked ? asked : [PolicyCatalog.Dense];
        if (typed.GetValue(_minContext) is { } tokens)
            policies = Array.ConvertAll(policies, policy => WithMinContext(policy, tokens));
        return typed.GetValue(_sweep) is not null ? [.. policies.SelectMany(static policy => policy.Spec.Sweep()).Select(static spec => spec.Create())] : policies;
    }
}
