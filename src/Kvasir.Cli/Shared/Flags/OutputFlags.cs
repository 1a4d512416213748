namespace Kvasir.Cli.Shared.Flags;

/// <summary>What is written beside the answer, and in which form.</summary>
internal static class OutputFlags
{
    public static readonly SwitchFlag Quiet = new("--quiet", "No plan, progress or timings; errors only") { Letter = "-q", Elsewhere = ["--silent"] };

    /// <param name="help">What the JSON holds.</param>
    public static SwitchFlag Json(string help) => new("--json", help);

    /// <summary>Whether it was typed, for callers that have no parsed command line yet.</summary>
    public static bool IsTyped(Flag flag, string[] args) => args.Contains(flag.Name) || (flag.Letter is { } letter && args.Contains(letter));
}
