using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Evaluation.Results;
using Kvasir.Evaluation.Running;
using Kvasir.Kernels.Machine;
using Kvasir.Kernels.Threads;

namespace Kvasir.Cli.Eval;

/// <summary>What a report says of how its figures were made.</summary>
internal static class EvalSettings
{
    /// <summary>The command makes the figures again; what only says where they go, or which policies are compared, is no part of it.</summary>
    public static EvaluationSettings Of(Model model, EvaluationPlan plan, EvaluationRun run, TypedCommand typed)
    {
        var config = model.Config;
        return new EvaluationSettings
        {
            Model = config.Name,
            Shape = $"{config.Architecture}, {config.LayerCount} layers, {config.HeadCount} query and {config.KvHeadCount} KV heads of {config.HeadDim}, "
                + $"weights {SizeText.Bytes(model.Weights.Bytes)}, window {SizeText.Count(config.ContextTokens)}",
            Machine = $"{Processor.Name}, {ProcessorTopology.PhysicalCpus().Length} cores, {SizeText.Bytes(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes)}",
            Version = VersionText.Informational,
            Threads = run.ThreadCount,
            Seed = plan.Seed,
            Kv = plan.Kv.Name,
            Command = string.Join(' ', typed.Words(IsLeftOut).Select(EvaluationSettings.Quoted)),
        };
    }

    private static bool IsLeftOut(string name) => EvalOutput.Owns(name) || ComparisonFlags.ChoosesPolicies(name);
}
