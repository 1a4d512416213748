namespace Kvasir.Cache;

/// <summary>Columns by their names. Names are hashes already: a part of one is its bucket. Allocates only when it is told how many there will be.</summary>
internal sealed class ColumnTable
{
    private PrefixColumn?[] _buckets = new PrefixColumn?[64];

    public int Count { get; private set; }

    /// <summary>Makes room for so many columns.</summary>
    public void Reserve(int count)
    {
        if (count <= _buckets.Length)
            return;
        var (old, size) = (_buckets, _buckets.Length);
        while (size < count)
            size *= 2;
        (_buckets, Count) = (new PrefixColumn?[size], 0);
        foreach (var bucket in old)
        {
            for (var column = bucket; column is not null;)
            {
                var next = column.NextInBucket;
                Add(column);
                column = next;
            }
        }
    }

    public PrefixColumn? Find(ColumnName name)
    {
        var column = Bucket(name);
        while (column is not null && column.Name != name)
            column = column.NextInBucket;
        return column;
    }

    public void Add(PrefixColumn column)
    {
        ref var bucket = ref Bucket(column.Name);
        (column.NextInBucket, bucket) = (bucket, column);
        Count++;
    }

    public void Remove(PrefixColumn column)
    {
        ref var bucket = ref Bucket(column.Name);
        if (bucket == column)
        {
            bucket = column.NextInBucket;
        }
        else
        {
            var before = bucket;
            while (before!.NextInBucket != column)
                before = before.NextInBucket;
            before.NextInBucket = column.NextInBucket;
        }

        column.NextInBucket = null;
        Count--;
    }

    private ref PrefixColumn? Bucket(ColumnName name) => ref _buckets[name.First & (ulong)(_buckets.Length - 1)];
}
