using System.Diagnostics;
using Kvasir.Cache.Slots;

namespace Kvasir.Cache;

/// <summary>
/// Pages on their way to their files: behind everything else, those that are full in the order in which they became so, and the others when memory has no room
/// otherwise. Under the lock of the <see cref="Placement"/>.
/// </summary>
/// <param name="pages">All of them.</param>
/// <param name="isEager">As <see cref="IsEager"/>.</param>
/// <param name="order">Which of them have slots.</param>
internal sealed class PageWrites(PageState[] pages, SlotOrder order, FetchQueue queue, bool isEager)
{
    /// <summary>Writes that are under way at a time, and one of whoever waits for it.</summary>
    public const int Most = 65;

    private const int PauseMs = 1000;
    private readonly int[] _listed = new int[pages.Length];
    private int _first;
    private int _count;
    private long _failedAt;

    /// <summary>Whether full pages are written at once, as those are that never stay in memory.</summary>
    public bool IsEager => isEager;

    /// <summary>Pages.</summary>
    public int UnderWay { get; private set; }

    /// <summary>Writes that failed.</summary>
    public int FailureCount { get; private set; }

    /// <summary>Why the last write failed; null if it did not.</summary>
    public string? Problem { get; private set; }

    // What cannot be written is not tried all the time.
    private bool IsPaused => Problem is not null && Stopwatch.GetElapsedTime(_failedAt).TotalMilliseconds < PauseMs;

    /// <summary>Adds a page that is full.</summary>
    public void List(int page, ref PageState state)
    {
        state.Set(PageFlags.Listed);
        _listed[(_first + _count++) % _listed.Length] = page;
    }

    /// <summary>Begins to write a page.</summary>
    /// <returns>True.</returns>
    public bool Begin(int page, ref PageState state)
    {
        state.Set(PageFlags.Writing);
        UnderWay++;
        queue.Write(page);
        return true;
    }

    /// <summary>Begins to write pages that are full.</summary>
    /// <returns>How many.</returns>
    public int BeginListed()
    {
        var begun = 0;
        for (var left = _count; left > 0 && UnderWay < Most - 1 && !IsPaused; left--)
        {
            var page = _listed[_first];
            (_first, _count) = ((_first + 1) % _listed.Length, _count - 1);
            ref var state = ref pages[page];
            state.Clear(PageFlags.Listed);
            if (!state.Has(PageFlags.Dirty) || state.Has(PageFlags.Writing) || state.Has(PageFlags.Reading))
                continue;
            if (state.Pins > 0)
                List(page, ref state);
            else
                begun += Begin(page, ref state) ? 1 : 0;
        }

        return begun;
    }

    /// <summary>Begins to write pages that will be written to again: before anybody goes without memory.</summary>
    public void BeginOpen(int slotLimit)
    {
        for (var slot = 0; slot < slotLimit && UnderWay < Most - 1 && !IsPaused; slot++)
        {
            if (order.PageAt(slot) is not (>= 0 and var page) || order.IsHeld(page))
                continue;
            ref var state = ref pages[page];
            if (state.Pins == 0 && state.Has(PageFlags.Dirty) && !state.Has(PageFlags.Reading) && !state.Has(PageFlags.Writing))
                Begin(page, ref state);
        }
    }

    /// <summary>Says that pages are on file, or why they are not: those are tried again.</summary>
    public void End(int first, int count, string? problem)
    {
        UnderWay -= count;
        (Problem, FailureCount, _failedAt) = (problem, FailureCount + (problem is null ? 0 : 1), Stopwatch.GetTimestamp());
        for (var page = first; page < first + count; page++)
        {
            ref var state = ref pages[page];
            state.Clear(PageFlags.Writing);
            if (problem is null)
                state.Flags = (state.Flags & ~PageFlags.Dirty) | PageFlags.OnFile;
            else if (!state.Has(PageFlags.Listed))
                List(page, ref state);
        }
    }
}
