using Kvasir.Kernels.Machine;

namespace Kvasir.Cli.Shared;

/// <summary>What surrounds a command: its streams, whether a person sits behind them, and the interrupts. Tests make their own.</summary>
/// <param name="Input">Text from a pipe or file, or lines that a terminal edits itself.</param>
/// <param name="Output">Answers and reports, nothing else.</param>
/// <param name="Error">Everything that is for people: progress, plans, timings, errors.</param>
internal sealed record Shell(TextReader Input, TextWriter Output, TextWriter Error)
{
    public bool InputIsTerminal { get; init; }

    public bool OutputIsTerminal { get; init; }

    public bool ErrorIsTerminal { get; init; }

    /// <summary>Whether notes may be dimmed and errors coloured.</summary>
    public bool HasColor { get; init; }

    /// <summary>Keys one by one, for editing a line; null where the terminal cannot.</summary>
    public Func<ConsoleKeyInfo>? ReadKey { get; init; }

    /// <summary>Whether a key waits, so that showing what the last one did can wait too: a paste is drawn in a few pieces.</summary>
    public Func<bool> HasKey { get; init; } = static () => false;

    /// <summary>The terminal's width now.</summary>
    public Func<int> Columns { get; init; } = static () => 80;

    /// <summary>The terminal's height now.</summary>
    public Func<int> Rows { get; init; } = static () => 24;

    public Interrupts Interrupts { get; init; } = new();

    /// <summary>What a thread reads when the bandwidth of memory is measured: more than its share of any cache where figures count.</summary>
    public long ProbeBytes { get; init; } = MemoryReadProbe.DefaultBytesPerThread;

    /// <summary>Whether stack traces are wanted (KVASIR_DEBUG=1).</summary>
    public bool ShowsFaults { get; init; }

    /// <summary>What a user has to know of this build before anything is computed, in one line.</summary>
    public string? Warning { get; init; }

    /// <summary>Why nothing can be written to <see cref="Output"/>, where that is known beforehand.</summary>
    public string? OutputProblem { get; init; }

    /// <summary>For verbs that compute first and write then: what cannot be written is not computed.</summary>
    /// <exception cref="IOException">The output is closed.</exception>
    public void RequireOutput()
    {
        if (OutputProblem is { } problem)
            throw new IOException(problem);
    }

    /// <summary>A line beside the answer. Dimmed on a terminal, so that the answer stands out.</summary>
    public void Note(string text) => Error.WriteLine(HasColor ? $"\e[2m{text}\e[22m" : text);
}
