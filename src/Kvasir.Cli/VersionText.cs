using System.CommandLine;
using System.CommandLine.Invocation;
using System.Reflection;

namespace Kvasir.Cli;

/// <summary>What <c>--version</c> shows.</summary>
internal sealed class VersionText(Shell shell) : SynchronousCommandLineAction
{
    public override bool ClearsParseErrors => true;

    public override int Invoke(ParseResult parseResult)
    {
        // Builds from a repository have the commit after a plus sign.
        var version = typeof(VersionText).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion;
        shell.Output.WriteLine($"kvasir {version.Split('+')[0]}");
        return ExitCode.Ok;
    }
}
