using Kvasir.Files;

namespace Kvasir.Tiers;

/// <summary>How a <see cref="DiskPrefixStore"/> runs.</summary>
public sealed record PrefixStoreOptions
{
    /// <summary>The most bytes that it takes: what was not used for the longest time goes first.</summary>
    public long LimitBytes { get; init; } = 20L << 30;

    /// <summary>Whether it takes nothing and only finds what others have written.</summary>
    public bool ReadsOnly { get; init; }

    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>Bytes of the file system that are left to others.</summary>
    internal long? ReserveBytes { get; init; }

    /// <summary>Bytes that a segment grows to.</summary>
    internal long SegmentBytes { get; init; } = 256 << 20;

    /// <summary>Called before each thing that is written, for tests of what is left when it fails there.</summary>
    internal Action<string>? Writing { get; init; }

    /// <exception cref="KvasirException">The limit is less than a megabyte.</exception>
    internal void Validate()
    {
        if (LimitBytes < 1 << 20)
            throw new KvasirException(KvasirError.BadOption, $"a store of {MessageText.Count(LimitBytes, "byte")} is less than {1 << 20}");
    }
}
