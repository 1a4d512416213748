using Kvasir.Kernels.Memory;

namespace Kvasir.Cache;

/// <summary>
/// The parts of indexes that are kept with the columns of an engine. They go with their column, and those of columns in use when memory is short: whoever
/// misses one makes it again. One thread uses them.
/// </summary>
/// <param name="pool">Whose budget they are taken from.</param>
internal sealed class IndexParts(PagePool pool)
{
    private IndexPart? _oldest;
    private IndexPart? _newest;

    public long Bytes { get; private set; }

    /// <summary>Adds a part of unknown contents to a column. Null when there is no memory that nobody else uses.</summary>
    public IndexPart? TryAdd(PrefixColumn column, string policy, int rowCount, long bytes)
    {
        if (bytes > pool.Memory.LeftBytes || !pool.Memory.TryTake(MemoryUse.Indexes, bytes))
            return null;
        try
        {
            var part = new IndexPart(column, policy, rowCount, bytes) { NextOfColumn = column.FirstPart, Older = _newest };
            if (_newest is not null)
                _newest.Newer = part;
            (column.FirstPart, _newest, _oldest, Bytes) = (part, part, _oldest ?? part, Bytes + bytes);
            return part;
        }
        catch (OutOfMemoryException)
        {
            pool.Memory.Give(MemoryUse.Indexes, bytes);
            return null;
        }
    }

    /// <summary>Gives back what is kept with a column.</summary>
    /// <returns>Bytes.</returns>
    public long Drop(PrefixColumn column)
    {
        var before = Bytes;
        while (column.FirstPart is { } part)
            Drop(part);
        return before - Bytes;
    }

    /// <summary>Gives back at least so many bytes, oldest parts first, or all.</summary>
    public void Drop(long bytes)
    {
        for (var left = Bytes - bytes; Bytes > left && _oldest is not null;)
            Drop(_oldest);
    }

    /// <summary>Gives a part back.</summary>
    public void Drop(IndexPart part)
    {
        Unlink(part);
        (_oldest, _newest) = (_oldest == part ? part.Newer : _oldest, _newest == part ? part.Older : _newest);
        if (part.Older is not null)
            part.Older.Newer = part.Newer;
        if (part.Newer is not null)
            part.Newer.Older = part.Older;
        Bytes -= part.Bytes;
        part.Dispose();
        pool.Memory.Give(MemoryUse.Indexes, part.Bytes);
    }

    private static void Unlink(IndexPart part)
    {
        if (part.Column.FirstPart == part)
        {
            part.Column.FirstPart = part.NextOfColumn;
            return;
        }

        var before = part.Column.FirstPart!;
        while (before.NextOfColumn != part)
            before = before.NextOfColumn!;
        before.NextOfColumn = part.NextOfColumn;
    }
}

/// <summary>
/// What the indexes of a policy know of the last rows up to a column's end, of all layers and KV heads: kept with the column, for whoever has it next.
/// </summary>
/// <param name="policy">Whose indexes: two parts of one name have the same contents.</param>
/// <param name="rowCount">Rows that it is of: those of the column, or of some before it too.</param>
/// <param name="bytes">At least 1.</param>
internal sealed class IndexPart(PrefixColumn column, string policy, int rowCount, long bytes) : IDisposable
{
    private readonly NativeBuffer _memory = NativeBuffer.Uninitialized(bytes);

    public PrefixColumn Column => column;

    public int RowCount => rowCount;

    public long Bytes => bytes;

    public NativeView View => _memory.View;

    /// <summary>The next part of the same column.</summary>
    public IndexPart? NextOfColumn { get; set; }

    /// <summary>The part of an engine that was added before this one, of those that are there.</summary>
    public IndexPart? Older { get; set; }

    /// <summary>The part that was added after it.</summary>
    public IndexPart? Newer { get; set; }

    public bool IsOf(string name, int rows) => rowCount == rows && policy == name;

    public void Dispose() => _memory.Dispose();
}
