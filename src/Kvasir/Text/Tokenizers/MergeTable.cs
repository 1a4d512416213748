using System.Numerics;

namespace Kvasir.Text.Tokenizers;

/// <summary>Rank and result of each pair of pieces that merges: an open-addressed table, one cache line per look-up.</summary>
internal sealed class MergeTable
{
    private const ulong Empty = ulong.MaxValue;

    private readonly Slot[] _slots;

    private readonly int _shift;

    /// <summary>The place in <paramref name="merges"/> is the rank; of equal pairs the first counts.</summary>
    public MergeTable(MergeRule[] merges)
    {
        var size = BitOperations.RoundUpToPowerOf2((ulong)Math.Max(16L, merges.Length * 2L));
        _shift = 64 - BitOperations.Log2(size);
        _slots = new Slot[size];
        Array.Fill(_slots, new Slot(Empty, 0, 0));
        for (var rank = 0; rank < merges.Length; rank++)
        {
            var key = Key(merges[rank].Left, merges[rank].Right);
            ref var slot = ref _slots[Find(key)];
            if (slot.Key == Empty)
                slot = new Slot(key, (uint)rank, merges[rank].Result);
        }
    }

    public bool TryGet(int left, int right, out uint rank, out int result)
    {
        ref readonly var slot = ref _slots[Find(Key(left, right))];
        rank = slot.Rank;
        result = slot.Result;
        return slot.Key != Empty;
    }

    private static ulong Key(int left, int right) => (ulong)(uint)left << 32 | (uint)right;

    private int Find(ulong key)
    {
        var i = (int)(key * 0x9E3779B97F4A7C15 >> _shift);
        while (_slots[i].Key != key && _slots[i].Key != Empty)
            i = i + 1 & _slots.Length - 1;
        return i;
    }

    private readonly record struct Slot(ulong Key, uint Rank, int Result);
}
