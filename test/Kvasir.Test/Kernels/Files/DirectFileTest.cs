using Kvasir.Kernels.Files;
using Kvasir.Kernels.Machine;
using Kvasir.Kernels.Memory;

namespace Kvasir.Test.Kernels.Files;

/// <summary>A file that is read and written past the page cache, in whole blocks.</summary>
public sealed class DirectFileTest : IDisposable
{
    private const int Block = DirectFile.Alignment;
    private readonly TempFolder _folder = new();
    private readonly NativeBuffer _memory = new(2 << 20);

    public void Dispose()
    {
        _memory.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void BlocksComeBackAsTheyWereWrittenInAnyOrder()
    {
        using var file = DirectFile.Create(_folder.Path, 64 * Block);
        for (var block = 63; block >= 0; block--)
        {
            _memory.Span<byte>(Block).Fill((byte)(block + 1));
            file.Write(block * Block, _memory.View.Slice(0, Block));
        }

        file.Sync();
        foreach (var (first, count) in (ReadOnlySpan<(int, int)>)[(0, 64), (63, 1), (7, 9), (1, 1)])
        {
            var view = _memory.View.Slice(Block, count * Block);
            file.Read(first * Block, view);
            for (var i = 0; i < count * Block; i += Block / 4)
                Assert.Equal((byte)(first + (i / Block) + 1), view.Span(i, 1)[0]);
        }
    }

    [Fact]
    public void NothingIsLeftOfItAndItsSpaceIsThereAtOnce()
    {
        using var file = DirectFile.Create(_folder.Path, 1 << 20);
        Assert.Equal(1 << 20, file.Bytes);
        if (!OperatingSystem.IsWindows())
            Assert.Empty(Directory.GetFiles(_folder.Path));
        Assert.ThrowsAny<IOException>(() => DirectFile.Create(_folder.Path, 1L << 52));
        Assert.ThrowsAny<IOException>(() => DirectFile.Create(_folder.File("none"), 1 << 20));
        Assert.Empty(Directory.GetFiles(_folder.Path));
    }

    // A store that takes them is one that reads them by the page cache, or not at all.
    [Fact]
    public void WhatIsNotAlignedOrLiesOutsideIsRefused()
    {
        using var file = DirectFile.Create(_folder.Path, 16 * Block);
        Assert.Throws<ArgumentOutOfRangeException>("offset", () => file.Read(512, _memory.View.Slice(0, Block)));
        Assert.Throws<ArgumentOutOfRangeException>("offset", () => file.Read(-Block, _memory.View.Slice(0, Block)));
        Assert.Throws<ArgumentOutOfRangeException>("memory", () => file.Read(0, _memory.View.Slice(0, 512)));
        Assert.Throws<ArgumentOutOfRangeException>("memory", () => file.Write(0, _memory.View.Slice(64, Block)));
        Assert.Throws<ArgumentOutOfRangeException>("offset", () => file.Read(15 * Block, _memory.View.Slice(0, 2 * Block)));
        Assert.Throws<ArgumentOutOfRangeException>("bytes", () => DirectFile.Create(_folder.Path, 5000));
    }

    [Fact]
    public void WhetherThePageCacheIsPassedIsTriedAndSaid()
    {
        if (!OperatingSystem.IsLinux())
            return;
        // What the kernel lists makes no promise: it has no storage.
        Assert.ThrowsAny<Exception>(() => DirectFile.Create("/proc", 1 << 20));
        using var file = DirectFile.Create(_folder.Path, 1 << 20);
        var flags = File.ReadAllLines($"/proc/self/fdinfo/{file.Descriptor}").Single(static line => line.StartsWith("flags:", StringComparison.Ordinal));
        var isDirect = (Convert.ToInt32(flags.Split('\t')[1], 8) & DirectFile.DirectFlag) != 0;
        Assert.Equal(file.WhyCached is null, isDirect);
    }

    [Fact]
    public void ReadingAllocatesNothing()
    {
        using var file = DirectFile.Create(_folder.Path, 1 << 20);
        file.Write(0, _memory.View.Slice(0, 1 << 20));
        var view = _memory.View.Slice(0, 4 * Block);
        file.Read(0, view);
        var bytes = AllocatedBytes.Of(() =>
        {
            for (var i = 0; i < 100; i++)
                file.Read(i * Block, view);
        });
        Assert.Equal(0, bytes);
    }

    [Theory]
    [InlineData(1, true)]
    [InlineData(4, false)]
    public void AProbeCountsWhatItReads(int depth, bool isSequential)
    {
        using var file = DirectFile.Create(_folder.Path, 1 << 20);
        file.Write(0, _memory.View.Slice(0, 1 << 20));
        var sample = DiskReadProbe.Measure(file, 16 << 10, depth, isSequential, runMs: 20);
        Assert.True(sample is { ReadsPerSecond: > 0, MedianUs: > 0, CpuUs: >= 0 } && sample.SlowUs >= sample.MedianUs, $"{sample}");
        // No more than this many can be under way at once.
        Assert.True(sample.ReadsPerSecond * sample.MedianUs * 1e-6 < 2 * depth, $"{sample}");
    }
}
