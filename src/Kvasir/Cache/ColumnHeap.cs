using Kvasir.Ground;

namespace Kvasir.Cache;

/// <summary>A heap of columns, of which any can be taken out. Allocates only when it is told how many there will be.</summary>
internal sealed class ColumnHeap<TOrder>
    where TOrder : struct, IColumnOrder
{
    private PrefixColumn[] _heap = new PrefixColumn[64];

    public int Count { get; private set; }

    /// <summary>Makes room for so many columns.</summary>
    public void Reserve(int count)
    {
        if (count > _heap.Length)
            Array.Resize(ref _heap, Math.Max(count, 2 * _heap.Length));
    }

    /// <summary>The one that comes first in the order; there is one.</summary>
    public PrefixColumn First => _heap[0];

    public void Add(PrefixColumn column)
    {
        Invariant.Holds(TOrder.Place(column) < 0);
        Rise(column, Count++);
    }

    /// <summary>Takes a column out that is among them.</summary>
    public void Remove(PrefixColumn column)
    {
        var (index, last) = (TOrder.Place(column), _heap[--Count]);
        TOrder.Place(column) = -1;
        _heap[Count] = null!;
        if (last == column)
            return;
        if (index > 0 && TOrder.IsBefore(last, _heap[(index - 1) / 2]))
            Rise(last, index);
        else
            Sink(last, index);
    }

    private void Rise(PrefixColumn column, int index)
    {
        for (; index > 0 && TOrder.IsBefore(column, _heap[(index - 1) / 2]); index = (index - 1) / 2)
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
            if (child + 1 < Count && TOrder.IsBefore(_heap[child + 1], _heap[child]))
                child++;
            if (!TOrder.IsBefore(_heap[child], column))
                break;
            Set(index, _heap[child]);
            index = child;
        }

        Set(index, column);
    }

    private void Set(int index, PrefixColumn column)
    {
        _heap[index] = column;
        TOrder.Place(column) = index;
    }
}

/// <summary>An order of columns in a heap, and where columns remember their places in it.</summary>
internal interface IColumnOrder
{
    static abstract bool IsBefore(PrefixColumn column, PrefixColumn other);

    /// <summary>-1 for none.</summary>
    static abstract ref int Place(PrefixColumn column);
}

/// <summary>Of columns that may go: those first that are not kept for a time, and of these, as of the others, the least recently used.</summary>
internal readonly struct LeafOrder : IColumnOrder
{
    public static bool IsBefore(PrefixColumn column, PrefixColumn other) =>
        column.IsKept == other.IsKept ? column.LastUse < other.LastUse : other.IsKept;

    public static ref int Place(PrefixColumn column) => ref column.LeafPlace;
}

/// <summary>Of columns that are kept for a time: whose time is over first; of a chain its end.</summary>
internal readonly struct KeptOrder : IColumnOrder
{
    public static bool IsBefore(PrefixColumn column, PrefixColumn other) =>
        column.KeptUntilMs == other.KeptUntilMs ? column.Depth > other.Depth : column.KeptUntilMs < other.KeptUntilMs;

    public static ref int Place(PrefixColumn column) => ref column.KeptPlace;
}
