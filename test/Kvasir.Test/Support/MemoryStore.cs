using Kvasir.Kernels.Files;
using Kvasir.Kernels.Memory;

namespace Kvasir.Test.Support;

/// <summary>Pages "on file" in memory: slow, late, damaged or full as a test wants them.</summary>
internal sealed class MemoryStore(int pageBytes, int pageCount) : IPageStore
{
    private readonly byte[]?[] _pages = new byte[pageCount][];
    private readonly Random _delays = new(1);
    private int _reads;
    private int _writes;

    public int PageCount => pageCount;

    public int PageBytes { get; } = (pageBytes + 4095) / 4096 * 4096;

    public string? WhyCached => null;

    public int Reads => Volatile.Read(ref _reads);

    public int Writes => Volatile.Read(ref _writes);

    /// <summary>
    /// The most that a read takes, in hundreds of turns of an idle loop, 4 us each: what a head computes in. One of four is late, and each by another time; a core
    /// that turns is missing elsewhere.
    /// </summary>
    public int MostDelay { get; init; }

    /// <summary>The most pages that are read together.</summary>
    public int MostRun { get; init; } = int.MaxValue;

    /// <summary>What is asked of each page of the n-th read, from 1, which it may fail and whose bytes it may change.</summary>
    public Action<int, int, byte[]>? OnRead { get; set; }

    /// <summary>What is asked before the n-th write, from 1, which it may fail.</summary>
    public Action<int>? OnWrite { get; set; }

    public bool IsDisposed { get; private set; }

    public int RunFrom(int page) => Math.Min(MostRun, PageCount - page);

    public void Read(int firstPage, NativeView memory)
    {
        var number = Interlocked.Increment(ref _reads);
        Delay();
        for (var at = 0L; at < memory.Bytes; at += PageBytes)
        {
            var page = _pages[firstPage + (at / PageBytes)] ?? throw new IOException($"page {firstPage} was never written");
            if (OnRead is { } asked)
                asked(number, firstPage + (int)(at / PageBytes), page = (byte[])page.Clone());
            page.CopyTo(memory.Span(at, PageBytes));
        }
    }

    public void Write(int firstPage, NativeView memory)
    {
        var number = Interlocked.Increment(ref _writes);
        OnWrite?.Invoke(number);
        for (var at = 0L; at < memory.Bytes; at += PageBytes)
            _pages[firstPage + (at / PageBytes)] = memory.Span(at, PageBytes).ToArray();
    }

    public void Dispose() => IsDisposed = true;

    private void Delay()
    {
        if (MostDelay == 0)
            return;
        int turns;
        lock (_delays)
            turns = _delays.Next(4) == 0 ? _delays.Next(MostDelay) + 1 : 0;
        Thread.SpinWait(100 * turns);
    }
}
