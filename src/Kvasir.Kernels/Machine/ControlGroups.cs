using System.Globalization;

namespace Kvasir.Kernels.Machine;

/// <summary>
/// The control groups that this process is in, its own and every one above it that the system shows. A limit of any of them binds, so the
/// least of them counts. Version 2 has one tree; version 1 has one for each controller, and a system may have both.
/// </summary>
/// <param name="root">What the system's paths begin with: empty, or a folder with files of the same names.</param>
internal sealed class ControlGroups(string root = "")
{
    // A deeper tree than any system allows; a loop of folders ends here.
    private const int DepthLimit = 64;

    /// <summary>Bytes that the tightest group leaves, where pages of files that can be dropped count as left; null without a limit.</summary>
    public long? MemoryLeftBytes()
    {
        long? least = null;
        foreach (var folder in Folders("memory"))
        {
            var (used, statistics) = (Read(folder, "memory.current") ?? Read(folder, "memory.usage_in_bytes"), Read(folder, "memory.stat"));
            // Beyond "high" a group is slowed down until it is of no use. Version 1 tells a limit from above even where the groups above are not shown.
            string?[] limits =
            [
                Read(folder, "memory.max"), Read(folder, "memory.high"),
                Read(folder, "memory.limit_in_bytes"), Statistic(statistics, "hierarchical_memory_limit"),
            ];
            foreach (var limit in limits)
                least = Least(least, Left(limit, used, statistics));
        }

        return least;
    }

    /// <summary>Processors that the tightest quota is worth, rounded up; null without a quota.</summary>
    public int? Processors()
    {
        long? least = null;
        foreach (var folder in Folders("cpu"))
        {
            var both = (Read(folder, "cpu.max") ?? $"{Read(folder, "cpu.cfs_quota_us")?.Trim()} {Read(folder, "cpu.cfs_period_us")?.Trim()}")
                .Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (both.Length == 2 && Number(both[0]) is { } quota && Number(both[1]) is > 0 and var period)
                least = Least(least, Math.Max(1, (quota + period - 1) / period));
        }

        return (int?)least;
    }

    /// <summary>
    /// limit - (used - cached); null when the group has no limit, which version 2 writes as "max" and version 1 as a number beyond any memory.
    /// </summary>
    internal static long? Left(string? limit, string? used, string? statistics)
    {
        const long Unlimited = 1L << 62;
        if (Number(limit) is not (< Unlimited and var limitBytes) || Number(used) is not { } usedBytes)
            return null;
        // Clean pages of files count as used and are dropped when memory is short. Version 1 counts groups below under another name.
        var dropped = Number(Statistic(statistics, "total_inactive_file") ?? Statistic(statistics, "inactive_file")) ?? 0;
        return Math.Max(0, limitBytes - Math.Max(0, usedBytes - dropped));
    }

    private static long? Least(long? one, long? other) => one is null || other < one ? other ?? one : one;

    private static long? Number(string? text) =>
        long.TryParse(text?.Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;

    private static string? Statistic(string? statistics, string name)
    {
        foreach (var line in (statistics ?? "").Split('\n'))
        {
            if (line.StartsWith(name, StringComparison.Ordinal) && line.Length > name.Length && line[name.Length] == ' ')
                return line[name.Length..];
        }

        return null;
    }

    // Every group that a controller limits this process by: from its own up to the root of what is mounted.
    private IEnumerable<string> Folders(string controller)
    {
        foreach (var mount in Mounts(controller))
        {
            var path = PathOf(mount.IsVersion2 ? null : controller);
            // What lies outside the part that is mounted cannot be looked at; inside a container that part is the process's own group.
            var inside = path is not null && (mount.Root == "/" || path == mount.Root || path.StartsWith($"{mount.Root}/", StringComparison.Ordinal));
            var below = inside && !path!.Contains("/..", StringComparison.Ordinal) ? (mount.Root == "/" ? path : path[mount.Root.Length..]).Trim('/') : "";
            for (var depth = 0; depth < DepthLimit; depth++)
            {
                yield return $"{root}{mount.Point}/{below}";
                if (below.Length == 0)
                    break;
                below = below[..Math.Max(0, below.LastIndexOf('/'))];
            }
        }
    }

    private List<(string Root, string Point, bool IsVersion2)> Mounts(string controller)
    {
        var mounts = new List<(string, string, bool)>();
        // "31 24 0:27 ROOT POINT options optional fields - TYPE source SUPER-OPTIONS"
        foreach (var line in (Read($"{root}/proc/self", "mountinfo") ?? "").Split('\n'))
        {
            var (fields, split) = (line.Split(' '), line.IndexOf(" - ", StringComparison.Ordinal));
            var kind = split < 0 ? [] : line[(split + 3)..].Split(' ');
            if (fields.Length < 5 || kind.Length < 3)
                continue;
            var isVersion2 = kind[0] == "cgroup2";
            if (isVersion2 || (kind[0] == "cgroup" && kind[2].Split(',').Contains(controller)))
                mounts.Add((Unescaped(fields[3]), Unescaped(fields[4]), isVersion2));
        }

        // A sandbox that does not say has them where everybody has them.
        return mounts.Count > 0 ? mounts : [("/", "/sys/fs/cgroup", true), ("/", $"/sys/fs/cgroup/{controller}", false)];
    }

    /// <summary>This process's place in the tree of a controller, or of version 2 for null.</summary>
    private string? PathOf(string? controller)
    {
        // "4:memory:/path" in version 1, "0::/path" in version 2
        foreach (var line in (Read($"{root}/proc/self", "cgroup") ?? "").Split('\n'))
        {
            var fields = line.Split(':', 3);
            if (fields.Length == 3 && (controller is null ? fields[1].Length == 0 : fields[1].Split(',').Contains(controller)))
                return fields[2];
        }

        return null;
    }

    // The kernel writes a blank in a path as \040, and so on.
    private static string Unescaped(string path) => path.Replace("\\040", " ", StringComparison.Ordinal).Replace("\\011", "\t", StringComparison.Ordinal)
        .Replace("\\012", "\n", StringComparison.Ordinal).Replace("\\134", "\\", StringComparison.Ordinal);

    private static string? Read(string folder, string name)
    {
        var path = $"{folder}/{name}";
        try
        {
            return File.Exists(path) ? File.ReadAllText(path) : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
