namespace Kvasir.Attention.Heads;

/// <summary>What choosing took and left, of one worker or of all.</summary>
/// <param name="Ticks">Of the clock, in which selectors chose.</param>
/// <param name="AuditTicks">Of the clock, in which attention was held against dense attention.</param>
/// <param name="Reads">Of generated tokens' attention.</param>
internal readonly record struct SelectionCounts(long Ticks, long AuditTicks, LayerReads Reads)
{
    public static SelectionCounts operator +(in SelectionCounts left, in SelectionCounts right) =>
        new(left.Ticks + right.Ticks, left.AuditTicks + right.AuditTicks, left.Reads + right.Reads);
}
