namespace Kvasir.Attention;

/// <summary>What choosing took and left, of one worker or of all.</summary>
/// <param name="Ticks">Of the clock, in which selectors chose.</param>
/// <param name="RowsRead">Rows of generated tokens' attention that were read.</param>
/// <param name="RowsInSight">Rows that were in sight.</param>
internal readonly record struct SelectionCounts(long Ticks, long RowsRead, long RowsInSight)
{
    /// <summary>Of the clock, in which attention was held against dense attention.</summary>
    public long AuditTicks { get; init; }

    public static SelectionCounts operator +(in SelectionCounts left, in SelectionCounts right) =>
        new(left.Ticks + right.Ticks, left.RowsRead + right.RowsRead, left.RowsInSight + right.RowsInSight) { AuditTicks = left.AuditTicks + right.AuditTicks };
}
