using System.Diagnostics;
using System.Globalization;
using Kvasir.Kernels.Machine;

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
    /// Bytes that can still be allocated without swapping: what the system has free or can drop, and no more than what the limits of this
    /// process's control groups leave.
    /// </summary>
    public static long AvailableBytes()
    {
        var system = KibibytesOf(ReadOrNull("/proc/meminfo"), "MemAvailable:");
        if (system is null)
            return GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        return Math.Min(system.Value, new ControlGroups().MemoryLeftBytes() ?? long.MaxValue);
    }

    /// <summary>Bytes of memory and swap that this machine has, whoever uses them.</summary>
    public static long TotalBytes()
    {
        var system = ReadOrNull("/proc/meminfo");
        return KibibytesOf(system, "MemTotal:") is { } memory
            ? memory + (KibibytesOf(system, "SwapTotal:") ?? 0)
            : GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
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
