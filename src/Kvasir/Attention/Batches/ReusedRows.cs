using Kvasir.Attention.Heads;
using Kvasir.Cache;
using Kvasir.Kernels.Memory;
using Kvasir.Models.Configs;

namespace Kvasir.Attention.Batches;

/// <summary>
/// Rows that were there before a sequence came to them, and of which its selectors are told in slices: what others have indexed of them is copied, from parts
/// that are kept with the columns of the prefix cache, and the rest is indexed. What the sequence indexes itself it leaves there for the next.
/// </summary>
internal sealed class ReusedRows
{
    private readonly AttentionPolicy _policy;
    private readonly AttentionShape _shape;
    private readonly PrefixPath? _path;
    private readonly string _name;

    // [layers]: which of those with parts it is; -1 for one that has none.
    private readonly int[] _slots;
    private readonly int _slotCount;
    private int _told;
    private int _end;
    private int _leftRows;
    private bool _copies;

    /// <param name="path">The sequence's place in the prefix cache; null for none. Where nothing stays idle, no parts are left.</param>
    public ReusedRows(AttentionPolicy policy, AttentionShape shape, PrefixPath? path)
    {
        (_policy, _shape, _path, _name) = (policy, shape, path is { StaysIdle: true } && policy.PartEnd(0) > 0 ? path : null, policy.PartName);
        _slots = new int[shape.LayerCount];
        for (var layer = 0; layer < _slots.Length && _path is not null; layer++)
            _slots[layer] = HeadBytes(layer, policy.PartEnd(0)) > 0 ? _slotCount++ : -1;
    }

    /// <summary>Rows that selectors have not been told of.</summary>
    public int Waiting => _end - _told;

    /// <summary>Whether selectors are told of all that waits at once: nothing of it is there, and it costs nothing.</summary>
    public bool IsFree => _policy.AppendRowCost(_shape.Dim) == 0 && (Waiting == 0 || RowsThere(_told, int.MaxValue) == 0);

    /// <summary>Adds rows [<paramref name="first"/>, <paramref name="end"/>), where none wait.</summary>
    public void Add(int first, int end) => (_told, _end) = (first, end);

    /// <summary>Says of how many rows the next <see cref="Tell"/> is, in each of so many heads.</summary>
    /// <param name="budget">As <see cref="SequenceAttention.TakeSlice"/>.</param>
    /// <returns>The part of the budget that they take.</returns>
    public double Take(double budget, int heads, out int rows)
    {
        _copies = RowsThere(_told, int.MaxValue) > 0;
        var cost = (_copies ? _policy.PartRowCost(_shape.Dim) : _policy.AppendRowCost(_shape.Dim)) * heads;
        rows = budget > 0 ? (int)Math.Clamp(budget / cost, 1, Waiting) : 0;
        if (rows > 0)
            rows = _copies ? RowsThere(_told, rows) : RowsMissing(_told, rows);
        return rows * cost;
    }

    /// <summary>Tells one head of the next rows.</summary>
    public void Tell(AttentionHead head, int layer, int kvHead, int rows)
    {
        if (!_copies)
        {
            using var pins = head.Rows.Pin((Math.Max(0, _told - head.Selector.RowsBefore), _told + rows));
            head.Append(_told, rows);
            return;
        }

        for (int row = _told, end; row < _told + rows && _slots[layer] >= 0; row = end)
        {
            end = _policy.PartEnd(row);
            head.Selector.ReadPart(head.Rows, row, end - row, View(Part(row, end)!, layer, kvHead));
        }
    }

    /// <summary>Says that all heads were told of so many.</summary>
    public void EndSlice(int rows) => _told += rows;

    /// <summary>Forgets rows from <paramref name="rows"/> on.</summary>
    public void Truncate(int rows) => (_told, _end) = (Math.Min(_told, rows), Math.Min(_end, rows));

    /// <summary>Leaves what is indexed of the columns that the sequence has by now, where nobody else has, as far as there is memory for it.</summary>
    /// <param name="selectors">[layers, KV heads]</param>
    public void Leave(ReadOnlySpan<Selector> selectors)
    {
        var rows = _path is null ? 0 : Waiting > 0 ? _told : _path.RowCount;
        foreach (var selector in selectors)
            rows = Math.Min(rows, selector.RowsForParts);
        var layer = Array.FindIndex(_slots, static slot => slot >= 0);
        for (int end; layer >= 0 && (end = _policy.PartEnd(_leftRows)) <= rows && end > _leftRows; _leftRows = end)
        {
            var count = end - _leftRows;
            if (Part(_leftRows, end) is null && _path!.TryAddPart(end, _name, count, HeadBytes(layer, count) * _slotCount * _shape.KvHeadCount) is { } part)
                Write(selectors, part, _leftRows);
        }
    }

    private void Write(ReadOnlySpan<Selector> selectors, IndexPart part, int firstRow)
    {
        try
        {
            for (var i = 0; i < selectors.Length; i++)
            {
                var (layer, kvHead) = _shape.PlaceOf(i);
                if (_slots[layer] >= 0)
                    selectors[i].WritePart(firstRow, part.RowCount, View(part, layer, kvHead));
            }
        }
        catch
        {
            _path!.Drop(part);
            throw;
        }
    }

    // Rows from one on that there are parts of: whole parts, at most so many rows or one part; 0 where none begins.
    private int RowsThere(int firstRow, int most)
    {
        var row = firstRow;
        while (_path is not null && _policy.PartEnd(row) is var end && end > row && end <= _end && (row == firstRow || end - firstRow <= most))
        {
            if (Part(row, end) is null)
                break;
            row = end;
        }

        return row - firstRow;
    }

    // Rows from one on, at most so many, before the next part that is there.
    private int RowsMissing(int firstRow, int most)
    {
        if (_path is null)
            return most;
        var row = (firstRow / PagePool.PageTokens * PagePool.PageTokens) + PagePool.PageTokens;
        while (row < firstRow + most && RowsThere(row, 1) == 0)
            row += PagePool.PageTokens;
        return Math.Min(most, row - firstRow);
    }

    private IndexPart? Part(int firstRow, int endRow) => _path!.Columns[(endRow / PagePool.PageTokens) - 1].Part(_name, endRow - firstRow);

    private NativeView View(IndexPart part, int layer, int kvHead)
    {
        var bytes = HeadBytes(layer, part.RowCount);
        return part.View.Slice(((_slots[layer] * _shape.KvHeadCount) + kvHead) * bytes, bytes);
    }

    private long HeadBytes(int layer, int rowCount) => _policy.PartBytes(HeadPlace.Of(_shape, layer, 0, rowCount), rowCount);
}
