using Kvasir.Kernels.Attention.Formats;
using Kvasir.Models.Configs;

namespace Kvasir.Cache.Slots;

/// <summary>
/// Where heads of layers have their rows, when those of layers with a window have other sizes than the rest. All pages are about as large as one of a head
/// that sees all, so that there is one pool and one limit; of smaller heads several of a layer lie in one page, side by side. They grow, and leave rows behind,
/// together, as heads do that have a window and drop nothing, and so the page belongs to them all.
/// </summary>
public sealed class KvPlaces
{
    // Where the parts of a page begin.
    private const int Alignment = 64;

    // By so much pages may be larger than a head that sees all needs, for one more of the others: two halves have scales of their own.
    private const double MostMore = 0.125;
    private readonly AttentionShape _shape;
    private readonly HeadList? _lists;
    private readonly PageLayout[] _parts;

    public KvPlaces(AttentionShape shape, KvFormat format)
    {
        const int Rows = PagePool.PageTokens;
        _shape = shape;
        Layout = new PageLayout(format, shape.Dim, shape.ValueDim, Rows);
        _parts = [Layout];
        if (shape.WindowHeads is not { } heads)
            return;
        var own = new PageLayout(format, heads.Dim, heads.Dim, Rows).Bytes;
        var stride = (own + Alignment - 1) / Alignment * Alignment;
        var count = Math.Clamp((int)(Layout.Bytes * (1 + MostMore) / stride), 1, heads.KvHeadCount);
        var pageBytes = Math.Max(Layout.Bytes, ((count - 1) * stride) + own);
        Layout = new PageLayout(format, shape.Dim, shape.ValueDim, Rows, (0, pageBytes));
        _parts = new PageLayout[count];
        for (var i = 0; i < _parts.Length; i++)
            _parts[i] = new PageLayout(format, heads.Dim, heads.Dim, Rows, (i * stride, pageBytes));
        _lists = new HeadList([.. Enumerable.Range(0, shape.LayerCount).Select(ListsAt)]);
    }

    /// <summary>Of a page of a head that sees all.</summary>
    public PageLayout Layout { get; }

    /// <summary>Heads of a layer with a window that lie in one page.</summary>
    public int HeadsInPage => _parts.Length;

    /// <summary>Lists of pages of all layers: one for each head, or for as many as lie in one page.</summary>
    public int ListCount => _lists?.Count ?? _shape.TotalKvHeads;

    /// <summary>Bytes beside the pages, over all heads, of rows that are being written.</summary>
    public long OpenBytes
    {
        get
        {
            var windowed = _shape.WindowHeads is { } heads ? (_shape.LayerCount - _shape.FullLayerCount) * heads.KvHeadCount : 0;
            return ((_shape.TotalKvHeads - windowed) * Layout.OpenBytes) + (windowed * _parts[0].OpenBytes);
        }
    }

    /// <summary>Lists of pages of a layer.</summary>
    public int ListsAt(int layer) => HasParts(layer) ? ListsOf(_shape.KvHeadsAt(layer)) : _shape.KvHeadCount;

    /// <summary>The layer of a list.</summary>
    public int LayerOf(int list) => _lists?.PlaceOf(list).Layer ?? list / _shape.KvHeadCount;

    /// <summary>Where in its pages a head's rows lie.</summary>
    public PageLayout LayoutOf(int layer, int kvHead) => HasParts(layer) ? _parts[kvHead % _parts.Length] : Layout;

    /// <summary>Whether a head is not the first in its pages.</summary>
    public bool IsBeside(int layer, int kvHead) => HasParts(layer) && kvHead % _parts.Length > 0;

    /// <summary>Whether a full page, whoever stored it, leads to nothing outside of it.</summary>
    public bool IsSound(int list, ReadOnlySpan<byte> page)
    {
        var (layer, sound) = (LayerOf(list), true);
        var first = HasParts(layer) ? (list - _lists!.First(layer)) * _parts.Length : 0;
        for (var i = 0; HasParts(layer) && i < _parts.Length && first + i < _shape.KvHeadsAt(layer); i++)
            sound &= _parts[i].IsSound(page);
        return HasParts(layer) ? sound : Layout.IsSound(page);
    }

    private bool HasParts(int layer) => _shape.WindowHeads is not null && !_shape.SeesAll(layer);

    private int ListsOf(int heads) => (heads + _parts.Length - 1) / _parts.Length;
}
