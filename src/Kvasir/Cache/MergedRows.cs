using Kvasir.Ground;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Memory;

namespace Kvasir.Cache;

/// <summary>
/// What rows of a head become that others are merged into, as floats, before any of them is stored: each is rounded once, however many go into it, and may be
/// written over what it was made of.
/// </summary>
internal sealed class MergedRows : IDisposable
{
    private readonly Dictionary<int, int> _places = [];
    private readonly NativeBuffer _floats;
    private readonly int _keyDim;
    private readonly int _width;

    public MergedRows(PagedRows keys, PagedRows values, RowEdit edit)
    {
        (_keyDim, _width) = (keys.Dim, keys.Dim + values.Dim);
        foreach (var (row, target, _) in edit.Merges)
        {
            Invariant.Holds(edit.Keeps(target) && !edit.Keeps(row));
            _places.TryAdd(target, _places.Count);
        }

        _floats = new NativeBuffer((long)Math.Max(1, _places.Count) * _width * sizeof(float));
        foreach (var (target, place) in _places)
        {
            keys.Decode(target, Floats(place)[.._keyDim]);
            values.Decode(target, Floats(place)[_keyDim..]);
        }

        var other = edit.Floats(_width);
        foreach (var (row, target, share) in edit.Merges)
        {
            keys.Decode(row, other[.._keyDim]);
            values.Decode(row, other[_keyDim..]);
            var own = Floats(_places[target]);
            for (var i = 0; i < own.Length; i++)
                own[i] += share * (other[i] - own[i]);
        }
    }

    /// <summary>Makes the pages of the rows a head's own. False when the pool is short.</summary>
    public static bool TryOwn(PageTable table, RowEdit edit)
    {
        foreach (var (_, target, _) in edit.Merges)
        {
            if (!table.TryOwn(target / PagePool.PageTokens))
                return false;
        }

        return true;
    }

    /// <summary>The first of the rows.</summary>
    public int First => _places.Keys.Min();

    /// <summary>Finds what a row becomes: its key and behind it its value.</summary>
    public bool TryFind(int row, out Span<float> elements)
    {
        var found = _places.TryGetValue(row, out var place);
        elements = found ? Floats(place) : default;
        return found;
    }

    /// <summary>Writes all of them where they are, for formats that store rows one by one.</summary>
    public void Store(PagedRows keys, PagedRows values)
    {
        foreach (var (row, place) in _places)
        {
            keys.Encode(row, Floats(place)[.._keyDim]);
            values.Encode(row, Floats(place)[_keyDim..]);
        }
    }

    /// <summary>Says what they weigh: as much as all that went into them.</summary>
    public static void Weigh(RowPositions positions, RowEdit edit)
    {
        foreach (var (row, target, _) in edit.Merges)
        {
            var (a, b) = (positions.LogWeight(row), positions.LogWeight(target));
            positions.Set(target, positions[target], MathF.Max(a, b) + MathF.Log(1 + MathF.Exp(-MathF.Abs(a - b))));
        }
    }

    public void Dispose() => _floats.Dispose();

    private Span<float> Floats(int place) => _floats.View.Span<float>((long)place * _width * sizeof(float), _width);
}
