using Kvasir.Cache;
using Kvasir.Files;
using Kvasir.Ground;
using Kvasir.Models.Configs;

namespace Kvasir.Attention;

/// <summary>
/// Owns what the indexes of an engine's sequences share, policy by policy, and the indexes of rows with which several begin. It stays after the last
/// sequence, for
/// the next, and an index as long as its rows, if it is complete; when memory is short, what nobody uses goes.
/// </summary>
/// <param name="pool">Whose budget it is taken from.</param>
internal sealed class SharedIndexes(AttentionShape shape, PagePool pool) : IDisposable
{
    private readonly List<SharedIndex> _indexes = [];

    /// <summary>Bytes that a sequence under the policy adds: none when they are there.</summary>
    /// <param name="rows">What it begins with in common with others; null for nothing.</param>
    public long BytesMissing(AttentionPolicy policy, PrefixPath? rows)
    {
        var (bytes, prefixBytes) = (policy.SharedIndexBytes(shape), rows is null ? 0 : policy.PrefixBytesAt(shape, rows.RowCount));
        return (bytes > 0 && Find(policy, null) is null ? bytes : 0) + (prefixBytes > 0 && Find(policy, rows) is null ? prefixBytes : 0);
    }

    /// <summary>What sequences under the policy share, made when it is not there. Null when there is no memory for it.</summary>
    public SharedIndex? TryTake(AttentionPolicy policy) => TryTake(policy, null, policy.SharedIndexBytes(shape), null);

    /// <summary>The index of rows that several sequences begin with, made when it is not there. Null when there is no memory for it.</summary>
    /// <param name="shared">What sequences under the policy share.</param>
    public SharedIndex? TryTake(AttentionPolicy policy, PrefixPath rows, SharedIndex shared) =>
        TryTake(policy, rows, policy.PrefixBytesAt(shape, rows.RowCount), shared);

    /// <summary>Gives back what nobody uses. False when there is nothing.</summary>
    public bool Trim()
    {
        var isAny = false;
        for (var i = _indexes.Count - 1; i >= 0; i--)
        {
            if (_indexes[i].UseCount > 0)
                continue;
            Drop(_indexes[i]);
            isAny = true;
        }

        return isAny;
    }

    /// <summary>Gives back indexes of rows that nobody keeps any longer.</summary>
    public void Sweep()
    {
        for (var i = _indexes.Count - 1; i >= 0; i--)
            DropIdle(_indexes[i]);
    }

    /// <summary>Gives back an index that nobody uses, if nobody can: its rows are gone, or it is not complete.</summary>
    public void DropIdle(SharedIndex index)
    {
        if (index is { UseCount: 0, Rows: { } rows } && !(rows.IsEntered && index.IsComplete))
            Drop(index);
    }

    public void Dispose()
    {
        for (var i = _indexes.Count - 1; i >= 0; i--)
            Drop(_indexes[i]);
    }

    private void Drop(SharedIndex index)
    {
        if (!_indexes.Remove(index))
            return;
        index.Dispose();
        pool.Memory.Give(MemoryUse.Indexes, index.Bytes);
    }

    private SharedIndex? TryTake(AttentionPolicy policy, PrefixPath? rows, long bytes, SharedIndex? shared)
    {
        if (Find(policy, rows) is { } found)
            return found;
        if (!pool.TryTakeBeside(MemoryUse.Indexes, bytes))
            return null;
        try
        {
            var value = rows is null ? policy.ShareIndex(shape) : bytes == 0 ? null : FullLayersPolicy.Prefix(policy, shape, rows.RowCount, shared!.Value);
            var made = new SharedIndex(this, policy.Name, rows, value, bytes);
            if (value is null)
                return made;
            _indexes.Add(made);
            return made;
        }
        catch
        {
            pool.Memory.Give(MemoryUse.Indexes, bytes);
            throw;
        }
    }

    private SharedIndex? Find(AttentionPolicy policy, PrefixPath? rows)
    {
        if (_indexes.Count == 0)
            return null;
        var name = policy.Name;
        return _indexes.Find(index => index.Policy == name && index.Rows == rows);
    }
}
