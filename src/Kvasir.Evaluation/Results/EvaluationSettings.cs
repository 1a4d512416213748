namespace Kvasir.Evaluation.Results;

/// <summary>What all samples of an evaluation share, as a report names it.</summary>
public sealed record EvaluationSettings
{
    public required string Model { get; init; }

    /// <summary>Of the model, as people read it: layers, heads, head dim.</summary>
    public required string Shape { get; init; }

    /// <summary>Processor, cores and instruction sets.</summary>
    public required string Machine { get; init; }

    /// <summary>The version of Kvasir that ran it.</summary>
    public required string Version { get; init; }

    /// <summary>That computed.</summary>
    public required int Threads { get; init; }

    /// <summary>Of the samples.</summary>
    public required ulong Seed { get; init; }

    /// <summary>Type of the KV cache, as the command line spells it.</summary>
    public required string Kv { get; init; }

    /// <summary>The command line without its policies, which follow as <c>--attention</c>, and without the files that it wrote.</summary>
    public required string Command { get; init; }

    /// <summary>The command line that evaluates these policies and no others.</summary>
    public string CommandOf(params IEnumerable<string> policies) => $"{Command} --attention {string.Join(',', policies.Select(Quoted))}";

    /// <summary>A word as a shell takes it: what it would take apart stands in quotes.</summary>
    public static string Quoted(string word) =>
        word.Length > 0 && word.All(static c => char.IsAsciiLetterOrDigit(c) || "-_.,:=+@/%".Contains(c, StringComparison.Ordinal))
            ? word
            : $"'{word.Replace("'", "'\\''", StringComparison.Ordinal)}'";
}
