namespace Kvasir.Cli.Shared;

/// <summary>What <c>--json</c> writes in place of a result. The same line goes to the standard error stream.</summary>
internal sealed record ErrorReport(FaultReport Error, int ExitCode);

/// <param name="Kind">usage, internal, or the name of a <see cref="KvasirError"/>, such as contextExceeded.</param>
/// <param name="Message">One line.</param>
internal sealed record FaultReport(string Kind, string Message);
