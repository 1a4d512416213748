using Kvasir.Attention;
using Kvasir.Attention.Policies;
using Kvasir.Evaluation.Results;
using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Evaluation.Running;

/// <summary>What is to be evaluated: every task at every length, under every protocol and policy.</summary>
public sealed record EvaluationPlan
{
    /// <summary>At least one, each once.</summary>
    public required IReadOnlyList<PlannedTask> Tasks { get; init; }

    /// <summary>Tokens of prompt and answer, each at least 1.</summary>
    public required IReadOnlyList<int> Contexts { get; init; }

    /// <summary>As they were asked for; see <see cref="Compared"/>.</summary>
    public required IReadOnlyList<AttentionPolicy> Policies { get; init; }

    public IReadOnlyList<Protocol> Protocols { get; init; } = [Protocol.QuestionDense];

    /// <summary>Of each task and length; a task from a file may have fewer. From 1 to 1,000,000.</summary>
    public int Samples { get; init; } = 50;

    /// <summary>Of the samples.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>How keys and values are stored.</summary>
    public KvFormat Kv { get; init; } = KvFormat.BF16;

    /// <summary>As <see cref="EngineOptions.Threads"/>.</summary>
    public int Threads { get; init; }

    /// <summary>As <see cref="EngineOptions.KvMemoryBytes"/>.</summary>
    public long KvMemoryBytes { get; init; }

    /// <summary>As <see cref="GenerationOptions.AuditShare"/>.</summary>
    public double AuditShare { get; init; }

    /// <summary>Samples that compute side by side where memory allows, from 1 to 512.</summary>
    public int BatchSequences { get; init; } = 8;

    /// <summary>Dense attention, which every difference refers to, and then the other policies, each once.</summary>
    public IReadOnlyList<AttentionPolicy> Compared =>
        [PolicyCatalog.Dense, .. Policies.Where(static policy => policy.Name != PairedDifference.Dense).DistinctBy(static policy => policy.Name)];

    /// <summary>How many samples a task has under this plan.</summary>
    public int SamplesOf(PlannedTask task) => Math.Min(Samples, task.SampleCount ?? int.MaxValue);

    /// <summary>Every sample under every policy, in the order in which they are run but for batches.</summary>
    public IEnumerable<SampleKey> Keys() =>
        from task in Tasks
        from context in Contexts
        from sample in Enumerable.Range(0, SamplesOf(task))
        from protocol in Protocols
        from policy in Compared
        select new SampleKey(task.Name, context, protocol, policy.Name, sample);

    /// <exception cref="KvasirException">Something is missing or out of its range.</exception>
    internal void Validate()
    {
        RequireSome(Tasks.Count, "task");
        RequireSome(Contexts.Count, "context");
        RequireSome(Policies.Count, "policy");
        RequireSome(Protocols.Count, "protocol");
        Require(Samples, 1, 1_000_000, "samples");
        Require(BatchSequences, 1, 512, "batch");
        foreach (var context in Contexts)
            Require(context, 1, int.MaxValue, "context");
    }

    private static void RequireSome(int count, string what)
    {
        if (count == 0)
            throw new KvasirException(KvasirError.BadOption, $"the plan has no {what}");
    }

    private static void Require(int value, int least, int most, string name)
    {
        if (value < least || value > most)
            throw new KvasirException(KvasirError.BadOption, $"{name} {value} is outside {least} to {most}");
    }
}
