using Kvasir.Attention.Policies;
using Kvasir.Evaluation;
using Kvasir.Evaluation.Running;
using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Tools.Test.Support;

/// <summary>A plan that takes a second on the bundled model.</summary>
internal static class SmallPlan
{
    public const string Window = "streaming:sinks=2,recent=30,min-context=0";

    public static EvaluationPlan Of(params string[] policies) => new()
    {
        Tasks = PlannedTask.Of("passkey"),
        Contexts = [200],
        Policies = [.. policies.Select(PolicyCatalog.Parse)],
        Protocols = [Protocol.QuestionDense, Protocol.QuestionSparse],
        Samples = 3,
        Kv = KvFormat.F32,
        Threads = 1,
        BatchSequences = 2,
    };
}
