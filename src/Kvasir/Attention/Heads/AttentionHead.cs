using Kvasir.Attention.Observation;
using Kvasir.Cache;

namespace Kvasir.Attention.Heads;

/// <summary>
/// One head of a sequence: its rows, and the selector that indexes them. Whoever attends, be it the engine, a probe, a study or a test, a selector's life is
/// these calls:
/// <see cref="Append"/> after rows were written; behind the prompt's last row <see cref="ObservePrompt"/> and <see cref="EndPrompt"/>; then <see
/// cref="Append"/> and <see cref="Attend"/> for each generated token. Whenever rows wait behind a step, <see cref="Selector.Build"/> comes before the next that
/// attends: in slices, or to the end by <see cref="Build"/>.
/// </summary>
/// <param name="Rows">Keys and values.</param>
/// <param name="Selector">What chooses among them.</param>
internal readonly record struct AttentionHead(KvHead Rows, Selector Selector)
{
    /// <summary>Indexes rows that the cache holds.</summary>
    public void Append(int firstRow, int rowCount) => Selector.Append(Rows, firstRow, rowCount);

    /// <summary>Attends prompt positions again, one by one and every row in sight, for a selector that learns from their weights.</summary>
    /// <param name="queries">Of the layer.</param>
    /// <param name="firstRow">Where the query of position 0 would be among these rows; negative when they begin later.</param>
    /// <param name="positions">The positions, from the first to one past the last.</param>
    public void ObservePrompt(HeadRows queries, int firstRow, int kvHead, (int First, int End) positions, AttentionScratch scratch)
    {
        var observed = this with { Selector = new ReportingAllRows(Selector) };
        var (watchers, counts) = (new Watchers(scratch.Observed, null), default(SelectionCounts));
        for (var position = positions.First; position < positions.End; position++)
        {
            var own = queries.Queries(firstRow + position, 1, kvHead, scratch);
            Selector.ObserveQueries(position, own);
            observed.Attend(own, queries.Shape.Visible(position), watchers, scratch, ref counts);
        }
    }

    /// <summary>Says that the prompt is over.</summary>
    public void EndPrompt() => Selector.EndPrompt(Rows);

    /// <summary>Says that <see cref="Selector.Truncate"/> may come back to the rows that there are.</summary>
    public void Mark() => Selector.Mark(Rows.RowCount);

    /// <summary>Builds the index to its end at once.</summary>
    public void Build(IndexScratch scratch)
    {
        while (Selector.RowsWaiting > 0)
            Selector.Build(Rows, Selector.RowsWaiting, scratch);
    }

    /// <summary>Drops rows, between steps, and tells the selector; nothing happens if that cannot be done or does not pay.</summary>
    public void Edit(RowEdit edit)
    {
        if (Rows.TryEdit(edit))
            Selector.Edited(Rows, edit);
    }

    /// <inheritdoc cref="HeadAttention.Decode"/>
    public SoftmaxSum Attend(
        ReadOnlySpan<float> queries, (int First, int End) visible, scoped in Watchers watchers, AttentionScratch scratch, scoped ref SelectionCounts counts) =>
        HeadAttention.Decode(this, queries, visible, watchers, scratch, ref counts);
}
