namespace Kvasir.Jinja.Values;

/// <summary>
/// Stable merge sort. The framework's sorts wrap what a comparison throws, and promise nothing for comparisons that contradict themselves
/// (NaN among numbers); this one does neither.
/// </summary>
internal static class Sorting
{
    public static List<T> Sorted<T>(RenderBudget budget, List<T> items, Comparison<T> compare)
    {
        budget.Items(items.Count);
        var from = items.ToArray();
        var to = new T[from.Length];
        for (int width = 1; width < from.Length; width *= 2)
        {
            for (int start = 0; start < from.Length; start += 2 * width)
                Merge(from, to, start, width, compare);
            (from, to) = (to, from);
        }
        return [.. from];
    }

    private static void Merge<T>(T[] from, T[] to, int start, int width, Comparison<T> compare)
    {
        int middle = Math.Min(start + width, from.Length);
        int end = Math.Min(start + 2 * width, from.Length);
        int left = start;
        int right = middle;
        for (int i = start; i < end; i++)
            to[i] = left < middle && (right >= end || compare(from[left], from[right]) <= 0) ? from[left++] : from[right++];
    }
}
