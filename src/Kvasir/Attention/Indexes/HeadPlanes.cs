using Kvasir.Kernels.Hashing;
using Kvasir.Models.Configs;

namespace Kvasir.Attention.Indexes;

/// <summary>The planes of every head, which all sequences hash with.</summary>
internal sealed class HeadPlanes : IDisposable
{
    private readonly SignPlanes?[] _planes;
    private readonly int _kvHeadCount;

    /// <param name="draw">Those of a layer and KV head; null for none.</param>
    public HeadPlanes(AttentionShape shape, Func<int, int, SignPlanes?> draw)
    {
        (_planes, _kvHeadCount) = (new SignPlanes?[shape.LayerCount * shape.KvHeadCount], shape.KvHeadCount);
        try
        {
            for (var i = 0; i < _planes.Length; i++)
                _planes[i] = draw(i / _kvHeadCount, i % _kvHeadCount);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public SignPlanes Of(HeadPlace place) => _planes[(place.Layer * _kvHeadCount) + place.KvHead]!;

    public void Dispose()
    {
        foreach (var planes in _planes)
            planes?.Dispose();
    }
}
