namespace Kvasir.Cli.Shared.Flags;

/// <summary>Keys and values that outlast the process.</summary>
internal static class KvFileFlags
{
    public static readonly ValueFlag<string> Load = new(
        "--load-kv", "Take keys and values that --save-kv wrote from a file: as much of the prompt as begins like what was saved is not computed again",
        FlagValues.File with { IsState = true })
    { Elsewhere = ["--prompt-cache"] };

    public static readonly ValueFlag<string> Save = new(
        "--save-kv",
        "Write the keys and values of prompt and answer to a file when the answer has ended, for --load-kv; it may be the file that was loaded, and is "
        + "replaced as a whole or not at all",
        FlagValues.WrittenFile with { IsState = true });

    public static FlagGroup Group => new("Keys and values in files", Load, Save);

    /// <summary>Whether the engine is to keep rows for a file, or from one.</summary>
    public static bool AreTyped(TypedCommand typed) => typed.Has(Load) || typed.Has(Save);
}
