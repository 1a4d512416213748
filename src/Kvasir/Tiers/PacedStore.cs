using System.Diagnostics;
using Kvasir.Kernels.Files;
using Kvasir.Kernels.Memory;
using Kvasir.Kernels.Threads;

namespace Kvasir.Tiers;

/// <summary>
/// Pages "on file" in memory, read at a stated pace on the real clock: what a disk would do whose rates stay what they are, so that what was foretold of steps
/// can be held against them. Each read takes its turn of the rate, and comes no sooner than the latency. Writes take no time.
/// </summary>
internal sealed class PacedStore : IPageStore
{
    private const long BlockTargetBytes = 16 << 20;
    private readonly ReadPace _pace;
    private readonly NativeBuffer?[] _blocks;
    private readonly int _blockPages;
    private readonly Lock _gate = new();
    private long _free;

    /// <param name="pageBytes">Of a page in memory.</param>
    /// <param name="limitBytes">What pages may take in all.</param>
    public PacedStore(int pageBytes, long limitBytes, ReadPace pace)
    {
        PageBytes = (pageBytes + DirectFile.Alignment - 1) / DirectFile.Alignment * DirectFile.Alignment;
        PageCount = (int)Math.Clamp(limitBytes / PageBytes, 1, int.MaxValue / 2);
        _blockPages = (int)Math.Clamp(BlockTargetBytes / PageBytes, 1, PageCount);
        _blocks = new NativeBuffer?[(PageCount + _blockPages - 1) / _blockPages];
        _pace = pace;
    }

    public int PageCount { get; }

    public int PageBytes { get; }

    public string? WhyCached => null;

    public int RunFrom(int page) => Math.Min(_blockPages - (page % _blockPages), PageCount - page);

    public void Read(int firstPage, NativeView memory)
    {
        var block = Volatile.Read(ref _blocks[firstPage / _blockPages]) ?? throw new IOException($"page {firstPage} was never written");
        var due = Turn(memory.Bytes);
        Place(block, firstPage, memory.Bytes).CopyTo(memory.Span(0, (int)memory.Bytes));
        ShortWait.Until(due);
    }

    public void Write(int firstPage, NativeView memory) =>
        memory.Span(0, (int)memory.Bytes).CopyTo(Place(BlockOf(firstPage), firstPage, memory.Bytes));

    public void Dispose()
    {
        foreach (var block in _blocks)
            block?.Dispose();
    }

    // When a read of so many bytes is done.
    private long Turn(long bytes)
    {
        var now = Stopwatch.GetTimestamp();
        using var gate = _gate.EnterScope();
        _free = Math.Max(_free, now) + Ticks(Math.Max(1 / _pace.ReadsPerSecond, bytes / _pace.BytesPerSecond));
        return Math.Max(_free, now + Ticks(_pace.LatencyUs / 1e6));
    }

    private static long Ticks(double seconds) => (long)(seconds * Stopwatch.Frequency);

    private Span<byte> Place(NativeBuffer block, int page, long bytes) => block.View.Span((long)(page % _blockPages) * PageBytes, (int)bytes);

    private NativeBuffer BlockOf(int page)
    {
        ref var block = ref _blocks[page / _blockPages];
        if (Volatile.Read(ref block) is { } there)
            return there;
        using var gate = _gate.EnterScope();
        if (block is null)
            Volatile.Write(ref block, NativeBuffer.Uninitialized((long)_blockPages * PageBytes));
        return block!;
    }
}
