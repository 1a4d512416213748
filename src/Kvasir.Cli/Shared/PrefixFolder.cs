using Kvasir.Cli.Shared.Flags;
using Kvasir.Cli.Terminal;
using Kvasir.Tiers;

namespace Kvasir.Cli.Shared;

/// <summary>Beginnings of prompts in the folder of <c>--kv-dir</c>.</summary>
internal static class PrefixFolder
{
    /// <summary>Which folder, and what they may take there; null where none are kept.</summary>
    /// <param name="isConversation">Whether they are kept where nobody says so: a folder for one long context is left as it was.</param>
    /// <exception cref="KvasirException">They have no folder.</exception>
    public static (string Path, long Bytes)? Read(TypedCommand typed, bool isConversation)
    {
        var path = typed.Find(EngineFlags.KvDirectory);
        foreach (var flag in (ReadOnlySpan<Flag>)[EngineFlags.KvPrefixes, EngineFlags.KvDiskRate])
        {
            if (path is null && typed.Has(flag))
                throw new KvasirException(
                    KvasirError.BadOption, $"{flag.Name} has no folder to lie in: {EngineFlags.KvDirectory.Name} names one");
        }

        var bytes = typed.FindValue(EngineFlags.KvPrefixes) ?? new PrefixStoreOptions().LimitBytes;
        var isAsked = isConversation || typed.Has(EngineFlags.KvPrefixes) || typed.FindValue(EngineFlags.KvDisk) == 0;
        if (path is null || bytes == 0 || !isAsked)
            return null;
        // A folder for pages that is not there is an error of its own.
        return EngineFlags.Read(typed).KvDirectory is null || Directory.Exists(path) ? (path, bytes) : null;
    }

    /// <summary>The store; null where none is wanted.</summary>
    /// <exception cref="KvasirException">What is in the folder cannot be read, or the size is too small.</exception>
    public static DiskPrefixStore? Open(Shell shell, TypedCommand typed, bool quiet, bool isConversation)
    {
        if (Read(typed, isConversation) is not var (path, bytes))
            return null;
        var store = DiskPrefixStore.Open(path, new PrefixStoreOptions { LimitBytes = bytes });
        if (!quiet && Note(store) is { } note)
            shell.Note(note);
        return store;
    }

    /// <summary>What a person wants to know of a store that takes nothing; null for nothing.</summary>
    public static string? Note(IPrefixStore store) =>
        store.Figures.Problem is { } problem ? $"note: prompts are found in {store.Tier}, and none are kept there: {Printable.Line(problem)}" : null;
}
