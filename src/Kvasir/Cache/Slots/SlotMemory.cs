using Kvasir.Ground;
using Kvasir.Kernels.Memory;

namespace Kvasir.Cache.Slots;

/// <summary>
/// The memory of pages: slots of equal size in slabs, which are taken from the budget and the system as slots are asked for, and given back by
/// <see cref="Trim"/> when all of their slots have come back. One thread at a time.
/// </summary>
/// <param name="slotBytes">Of a slot.</param>
/// <param name="limit">The most slots, at least 1.</param>
/// <param name="memory">What slabs are counted in.</param>
/// <param name="source">Where they come from.</param>
internal sealed class SlotMemory(int slotBytes, int limit, MemoryBudget memory, SlabSource source) : IDisposable
{
    public const int SlabTargetBytes = 4 << 20;

    // Small memory comes in small slabs: what lies free in one is of no use to an index.
    private const int FewestSlabs = 32;
    private readonly int _slabSlots = SlotsOfSlab(slotBytes, limit);
    private readonly NativeArena _arena = new((limit + SlotsOfSlab(slotBytes, limit) - 1) / SlotsOfSlab(slotBytes, limit), source);
    private readonly int[] _free = new int[limit];

    // [slabs]: slots in use. The last slab may be cut short: the limit counts slots, not slabs.
    private readonly int[] _slabUse = new int[(limit + SlotsOfSlab(slotBytes, limit) - 1) / SlotsOfSlab(slotBytes, limit)];
    private int _emptySlabs;
    private int _filledHoles;

    /// <summary>The most slots that there can be.</summary>
    public int Limit => limit;

    /// <summary>Slots that there are, in use or free.</summary>
    public int Count { get; private set; }

    /// <summary>Slots that there are and nobody has.</summary>
    public int FreeCount { get; private set; }

    /// <summary>Slots that are in use.</summary>
    public int UseCount => Count - FreeCount;

    /// <summary>Slots that can still be taken under the limits.</summary>
    public int Left => FreeCount + SlotsWithin(memory.LeftBytes);

    /// <summary>Bytes taken from the system, in use or free.</summary>
    public long ResidentBytes => _arena.Bytes;

    /// <summary>Bytes of a slab.</summary>
    public long SlabBytes => (long)_slabSlots * slotBytes;

    /// <summary>Bytes that lie free in slabs of which others are in use.</summary>
    public long HoleBytes => (long)(FreeCount - (_emptySlabs * _slabSlots)) * slotBytes;

    /// <summary>Takes a slot; what it holds is not defined. False when the limit is reached or the system has no memory.</summary>
    public bool TryTake(out int slot)
    {
        if (FreeCount == 0 && !TryGrow())
        {
            slot = -1;
            return false;
        }

        slot = _free[--FreeCount];
        _emptySlabs -= _slabUse[slot / _slabSlots]++ == 0 ? 1 : 0;
        return true;
    }

    /// <summary>Adds a slab where the budget has room for it. False, with nobody told that memory is wanted, when it has none.</summary>
    public bool TryAddSlab() => Count < limit && GrowthBytes(FreeCount + 1) <= memory.LeftBytes && TryGrow();

    /// <summary>Gives a slot back.</summary>
    public void Return(int slot)
    {
        Invariant.Holds((uint)slot < (uint)limit);
        _emptySlabs += --_slabUse[slot / _slabSlots] == 0 ? 1 : 0;
        _free[FreeCount++] = slot;
    }

    /// <summary>Where a slot begins: a multiple of 64 bytes.</summary>
    public nint Address(int slot) => _arena.Address(slot / _slabSlots, slot % _slabSlots * slotBytes);

    /// <summary>A part of a slot.</summary>
    public Span<byte> Bytes(int slot, int offset, int length) => _arena.Span(slot / _slabSlots, (slot % _slabSlots * slotBytes) + offset, length);

    /// <summary>Bytes that taking so many slots would take from the budget.</summary>
    public long GrowthBytes(long slots)
    {
        var slabs = (Math.Max(0, slots - FreeCount) + _slabSlots - 1) / _slabSlots;
        return Math.Min(slabs * SlabBytes, (long)(limit - Count) * slotBytes);
    }

    /// <summary>Gives slabs without slots in use back to the system and the budget. False when there is none.</summary>
    public bool Trim()
    {
        if (_emptySlabs == 0)
            return false;
        var kept = 0;
        for (var i = 0; i < FreeCount; i++)
        {
            if (_slabUse[_free[i] / _slabSlots] > 0)
                _free[kept++] = _free[i];
        }

        (FreeCount, _emptySlabs) = (kept, 0);
        for (var slab = 0; slab < _slabUse.Length; slab++)
        {
            if (_slabUse[slab] > 0 || !_arena.Has(slab))
                continue;
            _arena.Drop(slab);
            Count -= SlotsIn(slab);
            memory.Give(MemoryUse.Pages, (long)SlotsIn(slab) * slotBytes);
        }

        return true;
    }

    /// <summary>The slots of the slab with the highest number that there is; none when there is no slab.</summary>
    public (int First, int End) LastSlab()
    {
        var slab = _slabUse.Length - 1;
        while (slab >= 0 && !_arena.Has(slab))
            slab--;
        return slab < 0 ? (0, 0) : (slab * _slabSlots, (slab * _slabSlots) + SlotsIn(slab));
    }

    /// <summary>Before slots are moved together, so that the last slabs become empty: until <see cref="EndGather"/> none are taken or returned.</summary>
    public void BeginGather()
    {
        _free.AsSpan(0, FreeCount).Sort();
        _filledHoles = 0;
    }

    /// <summary>
    /// Moves what a slot in use holds into the first free one, if that lies in a slab which slots in use can fill, and this one behind such slabs.
    /// </summary>
    public bool TryGather(ref int slot)
    {
        // As many slabs as would hold all slots in use.
        var end = (UseCount + _slabSlots - 1) / _slabSlots * _slabSlots;
        if (slot < end || _filledHoles == FreeCount || _free[_filledHoles] >= end)
            return false;
        var hole = _free[_filledHoles];
        Bytes(slot, 0, slotBytes).CopyTo(Bytes(hole, 0, slotBytes));
        _emptySlabs -= _slabUse[hole / _slabSlots]++ == 0 ? 1 : 0;
        _emptySlabs += --_slabUse[slot / _slabSlots] == 0 ? 1 : 0;
        _free[_filledHoles++] = slot;
        slot = hole;
        return true;
    }

    /// <summary>Free slots come out in ascending addresses again.</summary>
    public void EndGather()
    {
        _free.AsSpan(0, FreeCount).Sort();
        _free.AsSpan(0, FreeCount).Reverse();
    }

    /// <summary>Checks that every slot is free once or in use, and that the counts agree, the budget's too.</summary>
    /// <param name="isUsed">Whether somebody has a slot.</param>
    public void Verify(Func<int, bool> isUsed)
    {
        var isFree = new bool[limit];
        foreach (var slot in _free.AsSpan(0, FreeCount))
        {
            Invariant.Holds(!isFree[slot] && !isUsed(slot) && _arena.Has(slot / _slabSlots));
            isFree[slot] = true;
        }

        var (count, emptySlabs) = (0, 0);
        for (var slab = 0; slab < _slabUse.Length; slab++)
        {
            var inUse = 0;
            for (var slot = slab * _slabSlots; slot < (slab * _slabSlots) + SlotsIn(slab); slot++)
            {
                Invariant.Holds(_arena.Has(slab) ? isFree[slot] != isUsed(slot) : !isUsed(slot));
                inUse += isUsed(slot) ? 1 : 0;
            }

            Invariant.Holds(inUse == _slabUse[slab]);
            count += _arena.Has(slab) ? SlotsIn(slab) : 0;
            emptySlabs += _arena.Has(slab) && inUse == 0 ? 1 : 0;
        }

        Invariant.Holds(count == Count && emptySlabs == _emptySlabs);
        Invariant.Holds(ResidentBytes == (long)count * slotBytes && ResidentBytes <= memory.Figures.PageBytes);
    }

    /// <summary>Frees all slots, whoever has them.</summary>
    public void Dispose() => _arena.Dispose();

    private static int SlotsOfSlab(int slotBytes, int limit) =>
        Math.Clamp((int)Math.Min(SlabTargetBytes, (long)limit * slotBytes / FewestSlabs) / slotBytes, 1, limit);

    private int SlotsIn(int slab) => Math.Min(_slabSlots, limit - (slab * _slabSlots));

    // Whole slabs, or all that there may be.
    private int SlotsWithin(long bytes)
    {
        var most = limit - Count;
        return bytes / slotBytes >= most ? most : (int)(bytes / SlabBytes) * _slabSlots;
    }

    private bool TryGrow()
    {
        var slab = _arena.FirstFree;
        if (slab < 0)
            return false;
        var added = SlotsIn(slab);
        if (!memory.TryTake(MemoryUse.Pages, (long)added * slotBytes))
            return false;
        if (!_arena.TryAdd(slab, added * slotBytes))
        {
            memory.Give(MemoryUse.Pages, (long)added * slotBytes);
            memory.MarkWanted();
            return false;
        }

        // Pushed in descending order, so that slots come out in ascending addresses and a sequence streams.
        for (var i = added - 1; i >= 0; i--)
            _free[FreeCount++] = (slab * _slabSlots) + i;
        Count += added;
        _emptySlabs++;
        return true;
    }
}
