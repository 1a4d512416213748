namespace Kvasir.Cache.Slots;

/// <summary>
/// Which rows of a sequence stay in memory, by how many there are (ALISA, arXiv 2403.17312, section V): all of them while they fit into its share (phase I);
/// beyond that the newest, and copies of those before them that are read one by one, while whole pages of the others may leave (phase II). What a step reads
/// and what it comes to depend on none of this.
/// </summary>
/// <param name="shareRows">Rows that the sequence's share of memory holds.</param>
/// <param name="settled">What its policy goes on reading at so many rows; null for nothing that is known.</param>
internal sealed class ResidencySchedule(int shareRows, Func<int, SettledRows?> settled)
{
    private const int PageRows = PagePool.PageTokens;
    private readonly int _sharePages = shareRows / PageRows;

    /// <summary>A schedule by which everything stays.</summary>
    public static ResidencySchedule Whole { get; } = new(int.MaxValue, static _ => null);

    /// <summary>The same with no more than the policy goes on reading; null where that is all.</summary>
    public ResidencySchedule? Least => _sharePages == 0 || this == Whole ? null : new ResidencySchedule(0, settled);

    /// <summary>Pages at the front, of every head, that may leave.</summary>
    public int ColdPages(int rows)
    {
        var pages = PagesFor(rows);
        if (pages <= _sharePages)
            return 0;
        // The row that is written next is one of the newest.
        var newest = settled(rows) is { } known ? known.Newest + 1 : 1;
        return Math.Clamp(pages - _sharePages + CopyPages(rows), 0, Math.Max(0, rows - newest) / PageRows);
    }

    /// <summary>Pages' worth of rows, of every head, that are copied out of those.</summary>
    public int CopyPages(int rows) =>
        PagesFor(rows) <= _sharePages || settled(rows) is not { } known ? 0 : PagesFor(known.Scattered);

    /// <summary>Pages of every head that are in memory for good, copies among them.</summary>
    public int PagesIn(int rows) => PagesFor(rows) - ColdPages(rows) + CopyPages(rows);

    private static int PagesFor(int rows) => (int)((rows + PageRows - 1L) / PageRows);
}
