using Kvasir.Ground;

namespace Kvasir.Cache;

/// <summary>
/// Columns that may go, in the order in which they do: least recently used first. A heap, of which any column can be taken out; allocates only when it is told
/// how many there will be.
/// </summary>
internal sealed class IdleLeaves
{
    private PrefixColumn[] _heap = new PrefixColumn[64];

    public int Count { get; private set; }

    /// <summary>Makes room for so many columns.</summary>
    public void Reserve(int count)
    {
        if (count > _heap.Length)
            Array.Resize(ref _heap, Math.Max(count, 2 * _heap.Length));
    }

    /// <summary>The one that goes next; there is one.</summary>
    public PrefixColumn First => _heap[0];

    public void Add(PrefixColumn column)
    {
        Invariant.Holds(column is { LeafIndex: -1, IsIdleLeaf: true });
        Rise(column, Count++);
    }

    /// <summary>Takes a column out that is among them.</summary>
    public void Remove(PrefixColumn column)
    {
        var (index, last) = (column.LeafIndex, _heap[--Count]);
        (column.LeafIndex, _heap[Count]) = (-1, null!);
        if (last == column)
            return;
        if (index > 0 && Goes(last, _heap[(index - 1) / 2]))
            Rise(last, index);
        else
            Sink(last, index);
    }

    private static bool Goes(PrefixColumn column, PrefixColumn other) => column.LastUse < other.LastUse;

    private void Rise(PrefixColumn column, int index)
    {
        for (; index > 0 && Goes(column, _heap[(index - 1) / 2]); index = (index - 1) / 2)
            Set(index, _heap[(index - 1) / 2]);
        Set(index, column);
    }

    private void Sink(PrefixColumn column, int index)
    {
        while (true)
        {
            var child = (2 * index) + 1;
            if (child >= Count)
                break;
            if (child + 1 < Count && Goes(_heap[child + 1], _heap[child]))
                child++;
            if (!Goes(_heap[child], column))
                break;
            Set(index, _heap[child]);
            index = child;
        }

        Set(index, column);
    }

    private void Set(int index, PrefixColumn column)
    {
        _heap[index] = column;
        column.LeafIndex = index;
    }
}
