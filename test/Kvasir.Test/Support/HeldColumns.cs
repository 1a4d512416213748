using Kvasir.Cache;

namespace Kvasir.Test.Support;

/// <summary>Full pages of a sequence's first rows, held for others as the prefix cache holds them, but by any number side by side.</summary>
internal sealed class HeldColumns
{
    private readonly SequenceCache _source;
    private readonly PrefixColumn[] _columns;

    public HeldColumns(SequenceCache source, int layers, int count)
    {
        _source = source;
        _columns = new PrefixColumn[count];
        for (var column = 0; column < count; column++)
        {
            _columns[column] = new PrefixColumn(layers * source.KvHeadCount);
            for (var head = 0; head < layers * source.KvHeadCount; head++)
            {
                _columns[column].Pages[head] = source.Head(head / source.KvHeadCount, head % source.KvHeadCount).Pages[column];
                source.Pool.Share(_columns[column].Pages[head]);
            }
        }
    }

    public int RowCount => _columns.Length * PagePool.PageTokens;

    public ReadOnlySpan<PrefixColumn> Columns => _columns;

    /// <summary>Of one head.</summary>
    public IEnumerable<int> Pages(int head) => _columns.Select(column => column.Pages[head]);

    public void Release()
    {
        foreach (var page in _columns.SelectMany(static column => column.Pages))
            _source.Pool.Return(page);
    }
}
