using System.CommandLine;
using System.CommandLine.Invocation;
using System.Reflection;

namespace Kvasir.Cli;

/// <summary>What <c>--version</c> shows.</summary>
internal sealed class VersionText(Shell shell) : SynchronousCommandLineAction
{
    public override bool ClearsParseErrors => true;

    /// <summary>As 0.1.0; builds from a repository have the commit after a plus sign.</summary>
    public static string Informational => typeof(VersionText).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion;

    public override int Invoke(ParseResult parseResult)
    {
        shell.Output.WriteLine($"kvasir {Informational.Split('+')[0]}");
        return ExitCode.Ok;
    }
}
