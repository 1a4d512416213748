namespace Kvasir.Kernels.Memory;

/// <summary>
/// Native memory in slabs that come and go, without touching the managed heap, so that taking a page in a decode step allocates nothing there. Fresh slabs are
/// zeroed.
/// </summary>
public sealed class NativeArena : IDisposable
{
    private readonly SlabSource _source;
    private readonly NativeView[] _slabs;

    /// <param name="slabLimit">The most slabs at a time, at least 1.</param>
    /// <param name="source">Where they come from.</param>
    public NativeArena(int slabLimit, SlabSource source)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(slabLimit, 1);
        ArgumentNullException.ThrowIfNull(source);
        (_slabs, _source) = (new NativeView[slabLimit], source);
    }

    ~NativeArena() => Release();

    /// <summary>The lowest number that no slab has; negative when all have one.</summary>
    public int FirstFree => Array.FindIndex(_slabs, static slab => slab.Bytes == 0);

    /// <summary>Bytes of all slabs.</summary>
    public long Bytes { get; private set; }

    /// <summary>Whether there is a slab of this number.</summary>
    public bool Has(int slab) => _slabs[slab].Bytes > 0;

    /// <summary>Takes a slab from the source. False when that has none.</summary>
    /// <param name="slab">A number that no slab has.</param>
    /// <param name="bytes">At least 1.</param>
    public bool TryAdd(int slab, int bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(_slabs[slab].Bytes, 0, nameof(slab));
        ArgumentOutOfRangeException.ThrowIfLessThan(bytes, 1);
        if (!_source.TryTake(bytes, out var taken))
            return false;
        ArgumentOutOfRangeException.ThrowIfNotEqual(taken.Bytes, bytes, nameof(bytes));
        _slabs[slab] = taken;
        Bytes += bytes;
        return true;
    }

    /// <summary>Gives a slab back to the source; its number is free again.</summary>
    public void Drop(int slab)
    {
        var given = _slabs[slab];
        _slabs[slab] = default;
        Bytes -= given.Bytes;
        if (given.Bytes > 0)
            _source.Return(given);
    }

    /// <summary>The address of a byte: <paramref name="slab"/> is one that there is, <paramref name="offset"/> lies inside it.</summary>
    public nint Address(int slab, int offset)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((ulong)offset, (ulong)_slabs[slab].Bytes, nameof(offset));
        return _slabs[slab].Address + offset;
    }

    /// <summary>Bytes of a slab as a span.</summary>
    public Span<byte> Span(int slab, int offset, int length) => _slabs[slab].Span(offset, length);

    public void Dispose()
    {
        Release();
        GC.SuppressFinalize(this);
    }

    private void Release()
    {
        // The finalizer comes by where the constructor has thrown, too.
        if (_slabs is null)
            return;
        for (var slab = 0; slab < _slabs.Length; slab++)
            Drop(slab);
    }
}
