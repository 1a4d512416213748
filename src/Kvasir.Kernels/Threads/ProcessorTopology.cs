using System.Globalization;
using Kvasir.Kernels.Machine;

namespace Kvasir.Kernels.Threads;

/// <summary>
/// Where compute threads belong: one logical CPU of every physical core that this process may use. Two threads on one core share its
/// multipliers and its cache, and gain nothing.
/// </summary>
public static class ProcessorTopology
{
    private const string CpuFolder = "/sys/devices/system/cpu";

    /// <summary>
    /// One logical CPU for each physical core, ascending, read anew. Never empty. In a container whose CPU time is limited the list is
    /// cut to as many CPUs as the limit is worth. A thread that has been pinned sees only its own CPU: ask before pinning.
    /// </summary>
    public static int[] PhysicalCpus()
    {
        var cpus = OnePerCore(ThreadAffinity.AllowedCpus() ?? AllCpus(), ReadSiblings);

        // The runtime knows the quota of the process's own group, and counts logical CPUs; neither is ever below 1.
        var limit = Math.Min(Environment.ProcessorCount, new ControlGroups().Processors() ?? int.MaxValue);
        return cpus.Length > limit ? cpus[..limit] : cpus;
    }

    /// <summary>Of each group of siblings among <paramref name="allowed"/>, the first that is allowed.</summary>
    /// <param name="allowed">Logical CPUs, ascending.</param>
    /// <param name="siblingsOf">The list of a CPU's core as the kernel writes it, such as "0,32" or "0-1"; null when unknown.</param>
    internal static int[] OnePerCore(ReadOnlySpan<int> allowed, Func<int, string?> siblingsOf)
    {
        var taken = new HashSet<int>();
        var chosen = new List<int>();
        foreach (var cpu in allowed)
        {
            if (!taken.Add(cpu))
                continue;
            chosen.Add(cpu);
            foreach (var sibling in ParseCpuList(siblingsOf(cpu)))
                taken.Add(sibling);
        }

        return [.. chosen];
    }

    /// <summary>The CPUs of a list such as "0-3,8,10-11"; what cannot be read is left out.</summary>
    internal static List<int> ParseCpuList(string? list)
    {
        const int MostCpus = 8192;
        var cpus = new List<int>();
        foreach (var part in (list ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            var dash = part.IndexOf('-', StringComparison.Ordinal);
            var (from, to) = dash < 0 ? (part, part) : (part[..dash], part[(dash + 1)..]);
            if (!int.TryParse(from, NumberStyles.None, CultureInfo.InvariantCulture, out var first)
                || !int.TryParse(to, NumberStyles.None, CultureInfo.InvariantCulture, out var last) || last >= MostCpus)
            {
                continue;
            }

            for (var cpu = first; cpu <= last; cpu++)
                cpus.Add(cpu);
        }

        return cpus;
    }

    private static int[] AllCpus()
    {
        var cpus = new int[Environment.ProcessorCount];
        for (var i = 0; i < cpus.Length; i++)
            cpus[i] = i;
        return cpus;
    }

    private static string? ReadSiblings(int cpu)
    {
        try
        {
            return File.ReadAllText($"{CpuFolder}/cpu{cpu}/topology/thread_siblings_list");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // A sandbox without /sys: every logical CPU counts as a core.
            return null;
        }
    }
}
