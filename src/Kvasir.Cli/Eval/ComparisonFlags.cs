using System.Globalization;
using Kvasir.Attention;
using Kvasir.Attention.Batches;
using Kvasir.Attention.Policies;
using Kvasir.Attention.Zones;
using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Evaluation;
using Kvasir.Evaluation.Running;

namespace Kvasir.Cli.Eval;

/// <summary>Which policies an evaluation compares with dense attention, and how it runs; what on, others say.</summary>
internal static class ComparisonFlags
{
    private const int MaxBatch = 512;
    private const string Budget = "budget";
    private static readonly EvaluationPlan Defaults = new() { Tasks = [], Contexts = [], Policies = [] };

    public static readonly ValueFlag<int> MinContext = new(
        "--min-context", "Tokens in sight below which policies read everything, for all that are not told one", FlagValues.Whole(0))
    {
        Otherwise = "each policy's own",
    };

    public static readonly ValueFlag<string> Sweep = new("--sweep", "budget: run each policy from few keys to many", FlagValues.OneOf("WHAT", Budget));

    /// <summary>One protocol; an evaluation takes several.</summary>
    public static readonly ValueFlag<Protocol> OneProtocol = new(
        "--protocol",
        "a: the question is computed densely with the prompt; b: it is fed under the policy",
        FlagValues.OneOf("LETTER", ("a", Protocol.QuestionDense), ("b", Protocol.QuestionSparse)))
    { Default = "a" };

    public static readonly ValueFlag<Protocol[]> Protocols = new(
        "--protocol",
        $"{OneProtocol.Help}; or a,b",
        FlagValues.ListOf(OneProtocol.Value, "a, b or a,b"))
    { Default = "a" };

    public static readonly ValueFlag<int> Batch = new("--batch", "Samples that compute side by side where memory allows", FlagValues.Whole(1, MaxBatch))
    {
        Default = FlagValues.Invariant($"{Defaults.BatchSequences}"),
    };

    private static readonly FlagGroup Machine = new(
        "Memory and processor", [Batch, .. KvFlags.All, ModelFlags.KvRank, EngineFlags.KvMemory, EngineFlags.Threads]);

    private static ValueFlag<AttentionPolicy[]> Attention => EngineFlags.Policies("Policies to compare with dense attention") with { Default = "dense" };

    /// <param name="auditShare">Where none is typed.</param>
    /// <param name="hasProtocols">Whether there is a question that a protocol could compute in one way or the other.</param>
    public static FlagGroup[] Groups(string auditShare, bool hasProtocols = true)
    {
        var audit = EngineFlags.Audit with { Default = auditShare };
        return [new("Policies", [Attention, MinContext, Sweep, .. hasProtocols ? (Flag[])[Protocols] : [], audit]), Machine];
    }

    /// <summary>Whether a flag only says which policies are compared.</summary>
    public static bool ChoosesPolicies(string name) => name == EngineFlags.Attention.Name || name == MinContext.Name || name == Sweep.Name;

    /// <summary>A plan without tasks and lengths.</summary>
    public static EvaluationPlan Read(TypedCommand typed) => Defaults with
    {
        Policies = Policies(typed),
        Protocols = typed.Has(Protocols) ? typed.Get(Protocols) : Defaults.Protocols,
        BatchSequences = typed.Get(Batch),
        AuditShare = typed.Get(EngineFlags.Audit),
        Kv = KvFlags.Read(typed),
        KvMemoryBytes = typed.FindValue(EngineFlags.KvMemory) ?? 0,
        Threads = typed.FindValue(EngineFlags.Threads) ?? 0,
    };

    /// <summary>The policies with <see cref="MinContext"/> where it was typed.</summary>
    public static AttentionPolicy[] WithMinContext(AttentionPolicy[] policies, TypedCommand typed) =>
        typed.FindValue(MinContext) is { } tokens ? Array.ConvertAll(policies, policy => WithMinContext(policy, tokens)) : policies;

    /// <summary>The policy with that option where it, or each of its parts, takes it and is not told another.</summary>
    public static AttentionPolicy WithMinContext(AttentionPolicy policy, int tokens) =>
        WithMinContext(policy.Spec, tokens) is var spec && spec.Equals(policy.Spec) ? policy : spec.Create();

    private static PolicySpec WithMinContext(PolicySpec spec, int tokens)
    {
        var own = spec.Sets(ExactZones.MinContextName) || !spec.Takes(ExactZones.MinContextName)
            ? spec
            : spec.With(ExactZones.MinContextName, tokens.ToString(CultureInfo.InvariantCulture));
        return own.Drop is null ? own : own.WithDrop(WithMinContext(own.Drop, tokens));
    }

    private static AttentionPolicy[] Policies(TypedCommand typed)
    {
        var policies = WithMinContext(typed.Get(Attention), typed);
        return typed.Has(Sweep) ? [.. policies.SelectMany(static policy => policy.Spec.Sweep()).Select(static spec => spec.Create())] : policies;
    }
}
