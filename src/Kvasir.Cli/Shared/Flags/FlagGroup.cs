namespace Kvasir.Cli.Shared.Flags;

/// <summary>Flags that help shows together.</summary>
internal sealed record FlagGroup(string Title, params IReadOnlyList<Flag> Flags);
