using System.Diagnostics;
using Kvasir.Kernels.Files;
using Kvasir.Kernels.Memory;

namespace Kvasir.Kernels.Machine;

/// <summary>How fast a file is written, from its beginning to its end.</summary>
public static class DiskWriteProbe
{
    /// <summary>Bytes of one write; a file to measure by has a whole number of them.</summary>
    public const int WriteBytes = 1 << 20;

    /// <summary>Fills <paramref name="file"/>, and says how many bytes a second that took; it is not asked to be on the disk by then.</summary>
    public static double Fill(DirectFile file)
    {
        ArgumentNullException.ThrowIfNull(file);
        ArgumentOutOfRangeException.ThrowIfNotEqual(file.Bytes % WriteBytes, 0, nameof(file));
        using var memory = new NativeBuffer(2 * WriteBytes);
        var content = memory.Span<ulong>(2 * WriteBytes / sizeof(ulong));
        // A disk may know zeros by themselves.
        for (var i = 0; i < content.Length; i++)
            content[i] = (ulong)i * 0x9E3779B97F4A7C15;
        var start = Stopwatch.GetTimestamp();
        for (var at = 0L; at < file.Bytes; at += WriteBytes)
            file.Write(at, memory.View.Slice(at / WriteBytes % 2 * WriteBytes, WriteBytes));
        return file.Bytes / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }
}
