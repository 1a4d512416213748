namespace Kvasir.Cli.Shared;

/// <summary>What the process says when it ends. The table in <c>kvasir --help</c> lists the same numbers.</summary>
internal static class ExitCode
{
    public const int Ok = 0;

    /// <summary>The model, the request or a file is at fault.</summary>
    public const int Failed = 1;

    /// <summary>The command line is at fault.</summary>
    public const int Usage = 2;

    /// <summary>Kvasir itself is at fault.</summary>
    public const int Internal = 70;

    /// <summary>The terminal is gone.</summary>
    public const int HungUp = 129;

    /// <summary>Ctrl-C.</summary>
    public const int Interrupted = 130;

    /// <summary>A termination signal.</summary>
    public const int Terminated = 143;
}
