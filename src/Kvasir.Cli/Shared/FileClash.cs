using Kvasir.Cli.Shared.Flags;
using Kvasir.Cli.Terminal;

namespace Kvasir.Cli.Shared;

/// <summary>Two parts of a command line that name one file, of which at least one writes it: the other's content would be lost.</summary>
internal static class FileClash
{
    // "-" is a stream, not a file, wherever it has a meaning.
    private const string StandardStream = "-";

    private static readonly StringComparison Comparison =
        OperatingSystem.IsWindows() || OperatingSystem.IsMacOS() ? StringComparison.OrdinalIgnoreCase : StringComparison.Ordinal;

    /// <summary>Both names and the path, in words; null for nothing.</summary>
    public static string? Of(TypedCommand typed, Verb verb)
    {
        var seen = new List<(string Name, string Path, bool IsWritten, bool IsState)>();
        foreach (var (name, path, isWritten, isState) in Named(typed, verb))
        {
            if (path.Length == 0 || path == StandardStream || path.Contains('\0', StringComparison.Ordinal))
                continue;
            var full = Path.GetFullPath(path);
            var other = seen.Find(earlier => (earlier.IsWritten || isWritten) && !(earlier.IsState && isState) && earlier.Path.Equals(full, Comparison));
            if (other.Name is not null)
                return $"{other.Name} and {name} name the same file, {Printable.Line(full)}";
            seen.Add((name, full, isWritten, isState));
        }

        return null;
    }

    // An operand may be the name of something bundled instead: it is a file where there is one.
    private static IEnumerable<(string Name, string Path, bool IsWritten, bool IsState)> Named(TypedCommand typed, Verb verb)
    {
        foreach (var operand in verb.Operands)
        {
            foreach (var path in operand.TakesPath ? typed.All(operand).Where(Path.Exists) : [])
                yield return (operand.Name, path, false, false);
        }

        foreach (var flag in verb.AllFlags.OfType<ValueFlag<string>>().Where(static flag => flag.TakesPath))
        {
            string[] paths = typed.Find(flag) is not { } text ? [] : flag.Value.IsPathList ? text.Split(',', StringSplitOptions.TrimEntries) : [text];
            foreach (var path in paths)
                yield return (flag.Name, path, flag.Value.IsWritten, flag.Value.IsState);
        }
    }
}
