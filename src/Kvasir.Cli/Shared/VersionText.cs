using System.CommandLine;
using System.CommandLine.Invocation;
using System.Reflection;
using System.Runtime.CompilerServices;
using Kvasir.Kernels.Machine;

namespace Kvasir.Cli.Shared;

/// <summary>What <c>--version</c> shows: the version, and what of the processor this build leaves unused.</summary>
internal sealed class VersionText(Shell shell) : SynchronousCommandLineAction
{
    // What is wider than the second multiplies the speed by two at most; without either, it is divided by fifty.
    private static readonly string[] Needed = ["SSE4.2", "AVX2"];

    public override bool ClearsParseErrors => true;

    /// <summary>As 0.1.0; builds from a repository have the commit after a plus sign.</summary>
    public static string Informational => typeof(VersionText).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion;

    /// <summary>In one line, that the wide instructions which nearly all speed comes from are there and may not be used; null where they may.</summary>
    public static string? Warning => Needed.FirstOrDefault(static set => Processor.UnusedInstructionSets.Contains(set)) is { } missing ? Slow(missing) : null;

    public override int Invoke(ParseResult parseResult)
    {
        shell.Output.WriteLine($"kvasir {Informational.Split('+')[0]}");
        if (Unused() is { } unused)
            shell.Output.WriteLine(unused);
        return ExitCode.Ok;
    }

    private static bool IsAheadOfTime => !RuntimeFeature.IsDynamicCodeSupported;

    private static string? Unused() => Processor.UnusedInstructionSets is [_, ..] sets
        ? $"{(IsAheadOfTime ? "compiled ahead of time without" : "kept by the runtime's settings from using")} "
            + $"{string.Join(", ", sets)}, which this processor has"
        : null;

    private static string Slow(string set) => IsAheadOfTime
        ? $"warning: this build has no {set}, which this processor has, and takes up to 100 times as long; publish it with -p:IlcInstructionSet=x86-64-v3"
        : $"warning: this process may not use {set}, which this processor has, and takes many times as long; "
            + "see DOTNET_EnableAVX2 and DOTNET_EnableHWIntrinsic";
}
