using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;

namespace Kvasir.Cli.Serve;

/// <summary>Who computes, who waits, and for how long.</summary>
internal static class TurnFlags
{
    private const int MostSeconds = 24 * 60 * 60;

    private static readonly ValueFlag<int> MaxSequences = new("--max-sequences", "Sequences that compute side by side", FlagValues.Whole(1, 512))
    { Default = "16", Elsewhere = ["-np", "--parallel", "--max-num-seqs"] };

    private static readonly ValueFlag<int> MaxQueue = new("--max-queue", "Sequences that may wait; more are refused",
        FlagValues.Whole(1, 65_536))
    { Default = "128" };

    private static readonly ValueFlag<int> MaxQueueTokens = new("--max-queue-tokens", "Tokens of prompts that may wait: they bound the time to a first token",
        FlagValues.Tokens)
    { Default = "2M" };

    private static readonly ValueFlag<long> QueueBytes = new("--queue-bytes", "Memory that waiting prompts may take", FlagValues.Bytes) { Default = "256M" };

    private static readonly ValueFlag<int> QueueTimeout = new(
        "--queue-timeout", "Seconds that a request waits before it is refused after all; 0 for ever", FlagValues.Whole(0, MostSeconds))
    { Default = "600" };

    private static readonly ValueFlag<int> RequestTimeout = new("--request-timeout", "Seconds that any answer may take from its request on",
        FlagValues.Whole(1, MostSeconds))
    { Otherwise = "as long as it takes" };

    private static readonly ValueFlag<int> KeyRunning = new(
        "--key-running", "Sequences of one key that compute side by side, unless running= of its line says otherwise", FlagValues.Whole(1, 1024))
    { Default = "8" };

    private static readonly ValueFlag<int> KeyWaiting = new("--key-waiting", "Sequences of one key that may wait; more get status 429",
        FlagValues.Whole(1, 65_536))
    { Default = "32" };

    private static readonly ValueFlag<int> StepMs = new(
        "--step-ms", "Milliseconds that a step may take with prompts that are computed beside answers: no answer stalls longer", FlagValues.Whole(1, 60_000))
    { Default = "300" };

    private static readonly ValueFlag<int> BatchTokens = new("--batch-tokens", "Rows of a step at most; not below --max-sequences", FlagValues.Whole(1, 8192))
    { Default = "512", Elsewhere = ["-b", "--batch-size", "--max-num-batched-tokens"] };

    private static readonly ValueFlag<int> MaxPrefills = new("--max-prefills", "Unfinished prompts that hold memory",
        FlagValues.Whole(1, 1024))
    { Default = "4" };

    public static readonly FlagGroup All = new(
        "Turns", MaxSequences, MaxQueue, MaxQueueTokens, QueueBytes, QueueTimeout, RequestTimeout, KeyRunning, KeyWaiting, StepMs, BatchTokens, MaxPrefills);

    /// <summary>Whether it was typed how many sequences compute side by side.</summary>
    public static bool HasSequences(TypedCommand typed) => typed.Has(MaxSequences);

    /// <summary>The engine's options, and how it takes turns.</summary>
    public static EngineOptions Read(TypedCommand typed) => EngineFlags.Read(typed) with
    {
        MaxSequences = typed.Get(MaxSequences),
        BatchTokens = typed.Get(BatchTokens),
        StepMs = typed.Get(StepMs),
        MaxPrefills = typed.Get(MaxPrefills),
        MaxSequencesPerClient = typed.Get(KeyRunning),
        RequestTimeout = typed.FindValue(RequestTimeout) is { } seconds ? TimeSpan.FromSeconds(seconds) : null,
        Queue = new QueueLimits
        {
            Sequences = typed.Get(MaxQueue),
            Tokens = typed.Get(MaxQueueTokens),
            Bytes = typed.Get(QueueBytes),
            SequencesPerClient = typed.Get(KeyWaiting),
            Timeout = typed.Get(QueueTimeout) is > 0 and var wait ? TimeSpan.FromSeconds(wait) : null,
        },
    };
}
