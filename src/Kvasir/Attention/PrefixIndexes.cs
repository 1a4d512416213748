using Kvasir.Models.Configs;

namespace Kvasir.Attention;

/// <summary>Of every head the index of rows that several sequences begin with, built by one of them and read by all.</summary>
internal sealed class PrefixIndexes : IDisposable
{
    private readonly IDisposable?[] _heads;
    private readonly int _kvHeadCount;

    /// <param name="rows">At the beginning.</param>
    /// <param name="shared">What all sequences under the policy share.</param>
    public PrefixIndexes(AttentionPolicy policy, AttentionShape shape, int rows, IDisposable? shared)
    {
        (_heads, _kvHeadCount) = (new IDisposable?[shape.LayerCount * shape.KvHeadCount], shape.KvHeadCount);
        try
        {
            for (var i = 0; i < _heads.Length; i++)
            {
                var place = HeadPlace.Of(shape, i / _kvHeadCount, i % _kvHeadCount, rows);
                _heads[i] = policy.CreatePrefix(place with { PrefixRows = rows, Shared = shared });
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public IDisposable? Of(HeadPlace place) => _heads[(place.Layer * _kvHeadCount) + place.KvHead];

    public void Dispose()
    {
        foreach (var head in _heads)
            head?.Dispose();
    }
}
