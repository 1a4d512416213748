namespace Kvasir.Cache.Slots;

/// <summary>What it takes to know where pages are, beside the pages: on the managed heap, and counted in no budget.</summary>
internal static class TableBytes
{
    /// <summary>Of a <see cref="PageState"/>; a test holds it to that.</summary>
    public const int StateBytes = 24;

    /// <summary>What the threads that read and write pages read into, at least.</summary>
    public const int BufferBytes = 2 << 20;

    private const int OwnedBytes = sizeof(int) + sizeof(bool);
    private const int SlotBytes = 2 * sizeof(int);

    // Number and address; tables double, and are three quarters full in the mean.
    private const double ListedBytes = (sizeof(int) + sizeof(long)) / 0.75;

    /// <param name="pages">In use.</param>
    /// <param name="limit">The most that there may be, in memory or on file.</param>
    /// <param name="slots">That memory has.</param>
    /// <param name="onFile">Whether pages may lie on file.</param>
    public static long Of(long pages, long limit, long slots, bool onFile)
    {
        var known = (pages * ListedBytes) + (limit * OwnedBytes) + (slots * SlotBytes);
        // A state, whether it waits, its sum, and its places among the numbers given back and the pages to be written; three queues; threads' own memory.
        const int FileBytes = StateBytes + sizeof(bool) + sizeof(ulong) + (2 * sizeof(int));
        return (long)known + (onFile ? (limit * FileBytes) + (slots * 4 * sizeof(int)) + BufferBytes : 0);
    }
}
