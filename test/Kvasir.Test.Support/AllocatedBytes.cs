namespace Kvasir.Test.Support;

/// <summary>What work takes from the managed heap, on the thread that asks.</summary>
internal static class AllocatedBytes
{
    /// <summary>
    /// Bytes of a window of work. A collection, which other tests cause, may count what a thread was given and has not used, some 98,000 bytes: a window with one
    /// in it is not believed, and the next is asked, or the least of all where there are no more.
    /// </summary>
    /// <param name="work">Done again in each window.</param>
    public static long Of(Action work, int mostWindows = 4)
    {
        var least = long.MaxValue;
        for (var window = 0; window < mostWindows; window++)
        {
            var collections = GC.CollectionCount(0);
            var before = GC.GetAllocatedBytesForCurrentThread();
            work();
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
            if (least <= 0 || GC.CollectionCount(0) == collections)
                break;
        }

        return least;
    }

    /// <summary>The same of so many steps of an engine.</summary>
    public static long OfSteps(Engine engine, int count, int mostWindows = 2) => Of(
        () =>
        {
            for (var step = 0; step < count; step++)
                engine.Step();
        },
        mostWindows);
}
