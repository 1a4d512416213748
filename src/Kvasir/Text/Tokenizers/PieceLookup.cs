using System.Buffers.Binary;

namespace Kvasir.Text.Tokenizers;

/// <summary>Token ids by byte string: an open-addressed table, half empty, built once.</summary>
internal sealed class PieceLookup
{
    private readonly PieceBytes _pieces;

    private readonly int[] _slots;      // id + 1, or 0 for an empty slot

    private readonly int _maxBytes;

    /// <summary>Covers the ids that <paramref name="included"/> marks; of equal byte strings the lowest id wins, and empty ones are left out.</summary>
    public PieceLookup(PieceBytes pieces, bool[] included)
    {
        _pieces = pieces;
        _slots = new int[System.Numerics.BitOperations.RoundUpToPowerOf2((uint)Math.Max(16, pieces.Count * 2))];
        for (var id = 0; id < pieces.Count; id++)
        {
            if (!included[id] || pieces[id].IsEmpty)
                continue;
            var slot = Slot(pieces[id]);
            if (_slots[slot] == 0)
                _slots[slot] = id + 1;
            _maxBytes = Math.Max(_maxBytes, pieces[id].Length);
        }
    }

    /// <summary>The id whose bytes are <paramref name="piece"/>, or -1.</summary>
    public int Find(ReadOnlySpan<byte> piece) => piece.Length > _maxBytes || piece.IsEmpty ? -1 : _slots[Slot(piece)] - 1;

    /// <summary>A 64-bit hash; not proof against chosen collisions, which cost time but no correctness.</summary>
    public static ulong Hash(ReadOnlySpan<byte> bytes)
    {
        const ulong factor = 0x9E3779B97F4A7C15;
        var hash = (ulong)bytes.Length * factor;
        for (; bytes.Length >= 8; bytes = bytes[8..])
            hash = (ulong.RotateLeft(hash, 5) ^ BinaryPrimitives.ReadUInt64LittleEndian(bytes)) * factor;
        ulong tail = 0;
        foreach (var b in bytes)
            tail = tail << 8 | b;
        hash = (ulong.RotateLeft(hash, 5) ^ tail) * factor;
        return hash ^ hash >> 32;
    }

    // The slot that holds these bytes, or the empty one where they would go.
    private int Slot(ReadOnlySpan<byte> piece)
    {
        var mask = _slots.Length - 1;
        var slot = (int)Hash(piece) & mask;
        while (_slots[slot] != 0 && !_pieces[_slots[slot] - 1].SequenceEqual(piece))
            slot = slot + 1 & mask;
        return slot;
    }
}
