namespace Kvasir.Cli.Shared;

/// <summary>What the process says when it ends.</summary>
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

    /// <summary>Ctrl-\.</summary>
    public const int Quit = 131;

    /// <summary>A termination signal.</summary>
    public const int Terminated = 143;

    /// <summary>All of them, as help and documents say it.</summary>
    public static readonly (int Code, string Meaning)[] Meanings =
    [
        (Ok, "done; also when the reader of the output closed it early"),
        (Failed, "the model, a file or the request is at fault"),
        (Usage, "the command line is at fault"),
        (Internal, "Kvasir itself is at fault (KVASIR_DEBUG=1 shows the stack trace)"),
        (HungUp, "the terminal was closed"),
        (Interrupted, "interrupted with Ctrl-C"),
        (Quit, "ended with Ctrl-\\"),
        (Terminated, "terminated by a signal"),
    ];
}
