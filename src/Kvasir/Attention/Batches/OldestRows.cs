using Kvasir.Cache;
using Kvasir.Models.Configs;

namespace Kvasir.Attention.Batches;

/// <summary>
/// Gives up the oldest rows of a sequence for good, a column at a time, where its file has no room for more (ALISA, arXiv 2403.17312, section V, phase III).
/// Those of them that its policy may read again are copied into memory before; the others no later query reads. So nothing has to be computed again, and no
/// bit depends on it. Between steps, one thread.
/// </summary>
internal sealed class OldestRows(AttentionShape shape)
{
    private readonly RowEdit _edit = new();

    /// <summary>Whether the sequence has a column that it can do without.</summary>
    public bool MayDelete(SequenceAttention attention)
    {
        var isOver = attention.Fault is not null || attention.IsOver || attention.Cache is null;
        // Who may be taken back, or is held against dense attention, keeps everything.
        if (isOver || !attention.Policy.KnowsSpentRows || attention.TakeBack.Marks > 0 || attention.Audit is not null)
            return false;
        if (attention.IsIndexing || attention.RowCount <= attention.PromptEnd || !attention.Cache!.MayDeleteColumn)
            return false;
        // Where it reads all before the newest it reads them together, and no copies.
        if (attention.Policy.SettledRowsAt(attention.RowCount) is not { } settled || settled.Newest + settled.Scattered + 1 >= attention.RowCount)
            return false;
        for (var layer = 0; layer < shape.LayerCount; layer++)
        {
            if (attention.Policy.ReadsEveryRow(layer, shape.At(layer).Visible(attention.RowCount)))
                return false;
        }

        return true;
    }

    /// <summary>Deletes the oldest column of such a sequence. False when memory has no room for what stays of it: then all is as it was.</summary>
    public bool TryDelete(SequenceAttention attention)
    {
        var cache = attention.Cache!;
        // Of all rows before the newest no more than that is read again, however long the sequence becomes.
        if (attention.Policy.SettledRowsAt(attention.MaxRows) is not { } settled || !cache.TryMakeCopies(KvHead.PagesFor(settled.Scattered)))
            return false;
        try
        {
            cache.AskColumn();
            for (var i = 0; i < shape.TotalKvHeads; i++)
            {
                if (!TryKeep(attention, i))
                    return false;
            }
        }
        catch (Exception fault)
        {
            attention.MarkFault(fault);
            return false;
        }

        cache.DeleteColumn();
        return true;
    }

    private bool TryKeep(SequenceAttention attention, int index)
    {
        var (layer, kvHead) = shape.PlaceOf(index);
        var (rows, selector) = attention.Head(layer, kvHead);
        _edit.Begin(rows.RowCount);
        selector.Edit(rows, shape.At(layer).Visible(attention.RowCount), _edit);
        return rows.Paged!.TryKeepOldest(_edit);
    }
}
