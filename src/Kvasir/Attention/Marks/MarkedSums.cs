using Kvasir.Cache;
using Kvasir.Ground;
using Kvasir.Kernels.Memory;

namespace Kvasir.Attention.Marks;

/// <summary>
/// A number for every row, which steps add to, in native memory; beside it, as it was then, for every mark. It comes back with rows that were marked.
/// </summary>
internal sealed class MarkedSums(HeadPlace place, int marks) : IDisposable
{
    /// <summary>Rows of a page.</summary>
    public const int PageRows = 1024;

    private readonly NativePages _pages = new(PageBytes(marks), NativePages.PagesFor(place.MaxRows, PageRows));
    private readonly MarkedRows _marks = new(marks);

    public long Bytes => _pages.Bytes;

    public int PageCount => _pages.Count;

    /// <summary>The number of a row.</summary>
    public ref float this[int row] => ref _pages.Page<float>(row / PageRows)[row % PageRows];

    /// <summary>Bytes for so many rows.</summary>
    public static long BytesFor(int rows, int marks) => (long)NativePages.PagesFor(rows, PageRows) * PageBytes(marks);

    /// <summary>The numbers of <paramref name="row"/> and of those behind it in its page.</summary>
    public Span<float> From(int row) => Page(row / PageRows)[(row % PageRows)..];

    /// <summary>The numbers of rows from <paramref name="row"/> on that lie in its page, at most those before <paramref name="end"/>.</summary>
    public Span<float> From(int row, int end) => From(row) is var part && part.Length > end - row ? part[..(end - row)] : part;

    public Span<float> Page(int page) => _pages.Page<float>(page)[..PageRows];

    /// <summary>Adds rows whose numbers are 0.</summary>
    public void Append(int firstRow, int rowCount)
    {
        var end = firstRow + rowCount;
        _pages.Reserve(NativePages.PagesFor(end, PageRows));
        for (var row = firstRow; row < end;)
        {
            var part = From(row, end);
            part.Clear();
            row += part.Length;
        }
    }

    /// <summary>Says that a step with so many rows in sight changes numbers.</summary>
    public void Learn(int rows) => _marks.Learn(rows);

    public void EndPrompt(int rows) => _marks.EndPrompt(rows);

    public void Mark(int rows)
    {
        var slot = _marks.Add(rows);
        for (var page = 0; page < NativePages.PagesFor(rows, PageRows); page++)
            Page(page).CopyTo(Kept(page, slot));
    }

    public void Truncate(int rows)
    {
        _pages.Truncate(NativePages.PagesFor(rows, PageRows));
        var slot = _marks.Truncate(rows);
        if (slot == MarkedRows.Unchanged)
            return;
        for (var page = 0; page < _pages.Count; page++)
        {
            if (slot == MarkedRows.Anew)
                Page(page).Clear();
            else
                Kept(page, slot).CopyTo(Page(page));
        }
    }

    /// <summary>Follows rows that were numbered anew; none are marked.</summary>
    public void Edited(RowEdit edit)
    {
        Invariant.Holds(marks == 0);
        var to = 0;
        for (var i = 0; i < edit.KeptRangeCount; i++)
        {
            var (first, count) = edit.Kept(i);
            for (var row = first; row < first + count; row++)
                this[to++] = this[row];
        }

        _pages.Truncate(NativePages.PagesFor(to, PageRows));
        _marks.Edited(edit);
    }

    public void Dispose() => _pages.Dispose();

    private static int PageBytes(int marks) => (1 + marks) * PageRows * sizeof(float);

    private Span<float> Kept(int page, int slot) => _pages.Page<float>(page).Slice((1 + slot) * PageRows, PageRows);
}
