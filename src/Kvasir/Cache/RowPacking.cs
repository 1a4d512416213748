using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Cache;

/// <summary>
/// Closes the gaps that an edit leaves in the pages of a head, for formats that store rows one by one; rows stay in order. Of a gap, as many rows as whole
/// pages hold go without anything behind them being moved: what lies before them in their first page is copied into the page that follows, and the pages are
/// taken out. What is left of gaps, fewer than a page's rows each, is closed by moving the rows behind. So a window that moves on copies a few sinks for each
/// page that it leaves.
/// </summary>
internal static class RowPacking
{
    private const int PageRows = PagePool.PageTokens;

    /// <summary>Copies whatever pages would be written to and are shared. False when the pool is short; nothing is moved yet.</summary>
    public static bool TryOwn(PageTable pages, RowEdit edit)
    {
        var moves = false;
        for (var i = 1; i < edit.KeptRangeCount; i++)
        {
            var ((gapFirst, gap), (first, count)) = (edit.Drops[i - 1], edit.Kept(i));
            if (count == 0)
                break;
            var gone = gap / PageRows * PageRows;
            moves |= gone < gap;
            // Where the first row that moves goes to, unless that page is taken out.
            if (moves && (gone == 0 || gapFirst / PageRows < (first - gone) / PageRows) && !pages.TryOwn(gapFirst / PageRows))
                return false;
            // The page that a gap ends in takes what lies before the pages that are taken out; all pages behind take rows that move.
            var last = moves ? (first + count - 1) / PageRows : gone > 0 && first % PageRows > 0 ? first / PageRows : -1;
            for (var page = first / PageRows; page <= last; page++)
            {
                if (!pages.TryOwn(page))
                    return false;
            }
        }

        return true;
    }

    /// <summary>Moves what stays to the front. Pages that are written to are the head's own.</summary>
    public static void Run(KvHead head, PageTable pages, RowEdit edit)
    {
        RemovePages(head, pages, edit);
        MoveRows(head, edit);
    }

    // Where rows end that stay, before what is dropped at the very end.
    private static int EndOf(RowEdit edit) => edit.Drops is [.., var last] && last.First + last.Count == edit.RowCount ? last.First : edit.RowCount;

    private static void RemovePages(KvHead head, PageTable pages, RowEdit edit)
    {
        var (end, removed) = (EndOf(edit), 0);
        foreach (var (first, count) in edit.Drops)
        {
            var gone = count / PageRows * PageRows;
            if (gone == 0 || first == end)
                continue;
            var behind = first + count - removed;
            var inPage = behind % PageRows;
            head.CopyRows(behind - gone - inPage, behind - inPage, inPage);
            pages.Remove((behind - gone) / PageRows, gone / PageRows);
            removed += gone;
        }
    }

    private static void MoveRows(KvHead head, RowEdit edit)
    {
        var (end, to, removed) = (EndOf(edit), -1, 0);
        for (var i = 0; i < edit.Drops.Length; i++)
        {
            var (first, count) = edit.Drops[i];
            if (first == end)
                return;
            var left = count % PageRows;
            if (to < 0 && left > 0)
                to = first - removed;
            var from = first - removed + left;
            removed += count - left;
            if (to < 0)
                continue;
            var kept = edit.Kept(i + 1).Count;
            head.CopyRows(from, to, kept);
            to += kept;
        }
    }

    /// <summary>Has what writes pages follow rows that were dropped, from the last on, so that numbers before stay as they were.</summary>
    /// <param name="edit">Of whole pages.</param>
    public static void MoveOpenRows((OpenPage? Keys, OpenPage? Values) open, RowEdit edit)
    {
        for (var i = edit.Drops.Length - 1; i >= 0; i--)
        {
            var (first, count) = edit.Drops[i];
            open.Keys?.Drop(first, count, edit.RowCount);
            open.Values?.Drop(first, count, edit.RowCount);
        }
    }
}
