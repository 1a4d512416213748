using Kvasir.Kernels.Attention;
using Kvasir.Kernels.Memory;

namespace Kvasir.Cache;

/// <summary>
/// The bounded memory of the KV cache, handed out by page. A page holds <see cref="PageTokens"/> rows of keys and as many rows
/// of values, of one (sequence, layer, KV head), and what they share. Memory is taken from the system slab by slab as pages are asked for;
/// nothing is reserved for a window that is never filled.
/// </summary>
public sealed class PagePool : IDisposable
{
    /// <summary>Rows in a page. 32 rows of 64 to 128 bf16 values are 4 to 8 KiB of contiguous keys: one or two small memory pages.</summary>
    public const int PageTokens = 32;

    private const int SlabTargetBytes = 4 << 20;
    private readonly NativeArena _arena;
    private readonly int _slabPages;
    private readonly int[] _free;
    private readonly bool[] _taken;
    private int _freeCount;
    private int _grownCount;

    /// <param name="type">How rows are stored.</param>
    /// <param name="headDim">Values in a row, at least 1.</param>
    /// <param name="limitBytes">The memory that pages may take in all; at least one page.</param>
    /// <exception cref="KvasirException">The limit is smaller than one page.</exception>
    public PagePool(KvType type, int headDim, long limitBytes)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(headDim, 1);
        Type = type;
        HeadDim = headDim;
        PageBytes = KvCodecs.PageBytes(type, headDim, PageTokens);
        if (limitBytes < PageBytes)
            throw new KvasirException(KvasirError.KvMemoryExceeded, $"the KV memory of {limitBytes} bytes is less than one page of {PageBytes} bytes");
        PageLimit = (int)Math.Min(limitBytes / PageBytes, int.MaxValue / 2);
        _slabPages = Math.Clamp(SlabTargetBytes / PageBytes, 1, PageLimit);
        // The last slab may be cut short: the limit counts pages, not slabs.
        _arena = new NativeArena(_slabPages * PageBytes, (PageLimit + _slabPages - 1) / _slabPages);
        _free = new int[PageLimit];
        _taken = new bool[PageLimit];
    }

    public KvType Type { get; }

    public int HeadDim { get; }

    public int PageBytes { get; }

    /// <summary>The most pages that can be in use at once.</summary>
    public int PageLimit { get; }

    /// <summary>Pages handed out and not yet returned.</summary>
    public int PagesInUse { get; private set; }

    /// <summary>Pages that can still be taken under the limit.</summary>
    public int PagesLeft => PageLimit - PagesInUse;

    /// <summary>Bytes taken from the system so far.</summary>
    public long ResidentBytes => (long)_arena.SlabCount * _arena.SlabBytes;

    /// <summary>Hands out a page. False when the limit is reached or the system has no memory: the scheduler preempts someone.</summary>
    public bool TryTake(out int page)
    {
        if (_freeCount == 0 && !TryGrow())
        {
            page = -1;
            return false;
        }

        page = _free[--_freeCount];
        Invariant.Holds(!_taken[page]);
        _taken[page] = true;
        PagesInUse++;
        return true;
    }

    public void Return(int page)
    {
        Invariant.Holds((uint)page < (uint)_grownCount && _taken[page]);
        _taken[page] = false;
        PagesInUse--;
        _free[_freeCount++] = page;
    }

    /// <summary>Where a page begins: a multiple of 64 bytes.</summary>
    public nint Address(int page) => _arena.Address(page / _slabPages, page % _slabPages * PageBytes);

    /// <summary>A part of a page, for writing it.</summary>
    public Span<byte> Bytes(int page, int offset, int length) => _arena.Span(page / _slabPages, (page % _slabPages * PageBytes) + offset, length);

    /// <summary>Checks that every page is either free exactly once or taken, and that the counts agree.</summary>
    public void Verify()
    {
        var seen = new bool[_grownCount];
        for (var i = 0; i < _freeCount; i++)
        {
            Invariant.Holds(!seen[_free[i]] && !_taken[_free[i]]);
            seen[_free[i]] = true;
        }

        var takenCount = 0;
        for (var page = 0; page < _grownCount; page++)
        {
            Invariant.Holds(seen[page] != _taken[page]);
            takenCount += _taken[page] ? 1 : 0;
        }

        Invariant.Holds(takenCount == PagesInUse);
    }

    public void Dispose() => _arena.Dispose();

    private bool TryGrow()
    {
        var added = Math.Min(_slabPages, PageLimit - _grownCount);
        if (added == 0 || !_arena.TryGrow())
            return false;
        // Pushed in descending order, so that pages come out in ascending addresses and a sequence streams.
        for (var i = added - 1; i >= 0; i--)
            _free[_freeCount++] = _grownCount + i;
        _grownCount += added;
        return true;
    }
}
