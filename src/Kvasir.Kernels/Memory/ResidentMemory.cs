using System.Diagnostics;
using System.Globalization;

namespace Kvasir.Kernels.Memory;

/// <summary>How much physical memory this process has used, and how much it could still use.</summary>
public static class ResidentMemory
{
    /// <summary>The most bytes that were ever resident at once in this process, mapped files included.</summary>
    public static long PeakBytes()
    {
        if (KibibytesOf(ReadOrNull("/proc/self/status"), "VmHWM:") is { } peak)
            return peak;
        using var process = Process.GetCurrentProcess();
        return process.PeakWorkingSet64;
    }

    /// <summary>Lets <see cref="PeakBytes"/> begin again at what is resident now. False where the system cannot; then it covers the whole process.</summary>
    public static bool TryResetPeak()
    {
        const string File = "/proc/self/clear_refs";
        const string ResetPeak = "5";
        try
        {
            if (!OperatingSystem.IsLinux())
                return false;
            System.IO.File.WriteAllText(File, ResetPeak);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    /// <summary>
    /// Bytes that can still be allocated without swapping: what the system has free or can drop, and no more than what the limit of this
    /// process's control group leaves.
    /// </summary>
    public static long AvailableBytes()
    {
        var system = KibibytesOf(ReadOrNull("/proc/meminfo"), "MemAvailable:");
        if (system is null)
            return GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        return Math.Min(system.Value, GroupLeavesBytes() ?? long.MaxValue);
    }

    /// <summary>The bytes of a line such as "VmHWM:   123 kB"; null when there is none.</summary>
    internal static long? KibibytesOf(string? text, string name)
    {
        foreach (var line in (text ?? "").Split('\n'))
        {
            if (!line.StartsWith(name, StringComparison.Ordinal))
                continue;
            var number = line[name.Length..].Replace("kB", "", StringComparison.Ordinal).Trim();
            return long.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var kibibytes) ? kibibytes * 1024 : null;
        }

        return null;
    }

    /// <summary>limit - (used - cached); null when the group has no limit, which version 2 writes as "max".</summary>
    internal static long? Left(string? limit, string? used, string? statistics)
    {
        if (!long.TryParse(limit?.Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var limitBytes)
            || !long.TryParse(used?.Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var usedBytes))
        {
            return null;
        }

        // Clean pages of files count as used and are dropped when memory is short.
        var dropped = 0L;
        foreach (var line in (statistics ?? "").Split('\n'))
        {
            if (line.StartsWith("inactive_file ", StringComparison.Ordinal))
                _ = long.TryParse(line["inactive_file ".Length..].Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out dropped);
        }

        return Math.Max(0, limitBytes - Math.Max(0, usedBytes - dropped));
    }

    // Inside a container the group's own folder is the root of the mount; outside, its limit is found by its path.
    private static long? GroupLeavesBytes()
    {
        const string Root = "/sys/fs/cgroup";
        var version2 = Left(ReadOrNull($"{Root}/memory.max"), ReadOrNull($"{Root}/memory.current"), ReadOrNull($"{Root}/memory.stat"));
        if (version2 is not null)
            return version2;
        foreach (var line in (ReadOrNull("/proc/self/cgroup") ?? "").Split('\n'))
        {
            if (line.StartsWith("0::/", StringComparison.Ordinal) && line.Length > "0::/".Length)
            {
                var folder = Root + line["0::".Length..].Trim();
                return Left(ReadOrNull($"{folder}/memory.max"), ReadOrNull($"{folder}/memory.current"), ReadOrNull($"{folder}/memory.stat"));
            }
        }

        const string Version1 = $"{Root}/memory";
        return Left(ReadOrNull($"{Version1}/memory.limit_in_bytes"), ReadOrNull($"{Version1}/memory.usage_in_bytes"), ReadOrNull($"{Version1}/memory.stat"));
    }

    private static string? ReadOrNull(string path)
    {
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
