using Kvasir.Cache;
using Kvasir.Models;

namespace Kvasir.Attention;

/// <summary>
/// Owns what the indexes of an engine's sequences share, policy by policy. It stays after the last sequence, for the next; when memory is short, what nobody
/// uses goes.
/// </summary>
/// <param name="pool">Whose budget it is taken from.</param>
internal sealed class SharedIndexes(AttentionShape shape, PagePool pool) : IDisposable
{
    private readonly List<SharedIndex> _indexes = [];

    /// <summary>Bytes that a sequence under the policy adds: none when they are there.</summary>
    public long BytesMissing(AttentionPolicy policy)
    {
        var bytes = policy.SharedIndexBytes(shape);
        return bytes > 0 && Find(policy) is null ? bytes : 0;
    }

    /// <summary>What sequences under the policy share, made when it is not there. Null when there is no memory for it.</summary>
    public SharedIndex? TryTake(AttentionPolicy policy)
    {
        if (Find(policy) is { } found)
            return found;
        var bytes = policy.SharedIndexBytes(shape);
        if (!pool.TryTakeBeside(MemoryUse.Indexes, bytes))
            return null;
        try
        {
            var made = new SharedIndex(policy.Name, policy.ShareIndex(shape), bytes);
            if (made.Value is not null)
                _indexes.Add(made);
            return made;
        }
        catch
        {
            pool.Memory.Give(MemoryUse.Indexes, bytes);
            throw;
        }
    }

    /// <summary>Gives back what nobody uses. False when there is nothing.</summary>
    public bool Trim()
    {
        var isAny = false;
        for (var i = _indexes.Count - 1; i >= 0; i--)
        {
            var index = _indexes[i];
            if (index.UseCount > 0)
                continue;
            _indexes.RemoveAt(i);
            index.Dispose();
            pool.Memory.Give(MemoryUse.Indexes, index.Bytes);
            isAny = true;
        }

        return isAny;
    }

    public void Dispose()
    {
        foreach (var index in _indexes)
            index.Dispose();
        _indexes.Clear();
    }

    private SharedIndex? Find(AttentionPolicy policy)
    {
        if (_indexes.Count == 0)
            return null;
        var name = policy.Name;
        return _indexes.Find(index => index.Policy == name);
    }
}
