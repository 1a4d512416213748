using Kvasir.Attention;
using Kvasir.Attention.Policies;
using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;

namespace Kvasir.Cli.Inspect;

/// <summary>What <c>inspect --attention</c> looks at.</summary>
internal static class StudyFlags
{
    private const int MaxQueries = 256;

    public static readonly SwitchFlag Attention = new(
        "--attention", "Instead: compute a prompt densely, attend its last tokens by every policy as well, and show by layer what each read and lost");

    public static readonly ValueFlag<string> PromptFile = new(
        "--prompt-file",
        "The prompt, in UTF-8, as it is and without a chat template (- for the standard input)",
        FlagValues.Path);

    public static readonly ValueFlag<int> Queries = new(
        "--queries", "Last tokens of the prompt that each policy attends; figures are means over them", FlagValues.Whole(1, MaxQueries))
    { Default = "16" };

    public static readonly ValueFlag<string> Page = new(
        "--html",
        "Also write a page with maps of every layer and head, and curves; it needs no network",
        FlagValues.Path with { IsWritten = true });

    private static readonly ValueFlag<AttentionPolicy[]> PolicyNames = new(
        "--policies",
        "Policies, as dense,psa:coverage=0.9,block=16,quest; after a comma, a piece with an equals sign is an option of the policy to its left",
        PolicyList.Value)
    { Otherwise = "all that need no calibration" };

    private static readonly Flag[] Needy =
        [PromptFile, PolicyNames, Queries, Page, .. KvFlags.All, EngineFlags.KvMemory, EngineFlags.Context, EngineFlags.Threads];

    public static readonly FlagGroup Group = new("With --attention", Needy);

    /// <summary>As <see cref="Verb.Refusal"/>.</summary>
    public static string? Refusal(TypedCommand typed)
    {
        if (typed.Is(Attention))
            return typed.Has(PromptFile) ? null : "--attention needs a prompt: --prompt-file PATH";
        return Array.Find(Needy, typed.Has) is { } needy ? $"{needy.Name} has a meaning with --attention only" : null;
    }

    public static AttentionPolicy[] Policies(TypedCommand typed) => typed.Find(PolicyNames)
        ?? [.. PolicyCatalog.Entries.Where(static entry => entry.Needs is null).Select(static entry => PolicyCatalog.Parse(entry.Name))];

    /// <summary>An engine whose batch takes in the queries and all prompt rows that a policy observes.</summary>
    public static EngineOptions Engine(TypedCommand typed)
    {
        var defaults = new EngineOptions();
        return defaults with
        {
            Kv = KvFlags.Read(typed),
            KvMemoryBytes = typed.FindValue(EngineFlags.KvMemory) ?? 0,
            ContextTokens = typed.FindValue(EngineFlags.Context) ?? 0,
            Threads = typed.FindValue(EngineFlags.Threads) ?? 0,
            MaxSequences = 1,
            Queue = QueueLimits.None,
            BatchTokens = Math.Max(defaults.BatchTokens, typed.Get(Queries) + Policies(typed).Max(static policy => policy.ObservedPromptRows)),
        };
    }
}
