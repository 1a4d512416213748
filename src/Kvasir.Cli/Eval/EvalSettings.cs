using System.CommandLine;
using System.CommandLine.Parsing;
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
    /// <param name="leftOut">Options that are no part of the command that makes the figures again.</param>
    public static EvaluationSettings Of(Model model, EvaluationPlan plan, EvaluationRun run, CommandResult command, Func<Option, bool> leftOut)
    {
        var config = model.Config;
        return new EvaluationSettings
        {
            Model = config.Name,
            Shape = $"{config.Architecture}, {config.LayerCount} layers, {config.HeadCount} query and {config.KvHeadCount} KV heads of {config.HeadDim}, weights {SizeText.Bytes(model.Weights.Bytes)}, window {SizeText.Count(config.ContextTokens)}",
            Machine = $"{Processor.Name}, {ProcessorTopology.PhysicalCpus().Length} cores, {SizeText.Bytes(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes)}",
            Version = VersionText.Informational,
            Threads = run.ThreadCount,
            Seed = plan.Seed,
            Kv = KvText.Name(plan.Kv),
            Command = $"kvasir {string.Join(' ', Words(command, leftOut).Select(EvaluationSettings.Quoted))}",
        };
    }

    private static IEnumerable<string> Words(CommandResult command, Func<Option, bool> leftOut)
    {
        if (command.Parent is CommandResult { Command: not RootCommand } parent)
            yield return parent.Command.Name;
        yield return command.Command.Name;
        foreach (var part in command.Children)
        {
            if (part is OptionResult { Implicit: true } || (part is OptionResult option && leftOut(option.Option)))
                continue;
            if (part is OptionResult { IdentifierToken: { } name })
                yield return name.Value;
            foreach (var token in part.Tokens)
                yield return token.Value;
        }
    }
}
