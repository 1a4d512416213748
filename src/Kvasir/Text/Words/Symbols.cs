namespace Kvasir.Text.Words;

/// <summary>
/// The pieces of one word while it merges: a linked list in arrays, and a heap of the pairs that may merge, best first.
/// Reused from word to word. A pair is known by the index of its left symbol.
/// </summary>
internal sealed class Symbols
{
    public const uint NoMerge = uint.MaxValue;

    private int[] _pieces = new int[64];       // token id, -1 when the bytes are no piece
    private int[] _starts = new int[64];       // first byte in the word
    private int[] _next = new int[64];         // index of the symbol to the right, -1 at the end
    private int[] _previous = new int[64];
    private uint[] _keys = new uint[64];       // key of the pair that begins here, NoMerge when it does not merge
    private int[] _merged = new int[64];       // the piece that this pair becomes

    // Key in the upper half, left index in the lower: the smallest is the best pair, the leftmost of equals.
    private readonly PriorityQueue<ulong, ulong> _queue = new();

    private int _byteCount;

    public int Count { get; private set; }

    public void Clear(int byteCount)
    {
        Count = 0;
        _byteCount = byteCount;
    }

    public void Add(int piece, int start)
    {
        if (Count == _pieces.Length)
            Grow();
        _pieces[Count] = piece;
        _starts[Count] = start;
        _previous[Count] = Count - 1;
        _next[Count] = -1;
        _keys[Count] = NoMerge;
        if (Count > 0)
            _next[Count - 1] = Count;
        Count++;
    }

    public int Piece(int index) => _pieces[index];

    public int Next(int index) => _next[index];

    public int Previous(int index) => _previous[index];

    public int Start(int index) => _starts[index];

    public int End(int index) => _next[index] < 0 ? _byteCount : _starts[_next[index]];

    /// <summary>States what the pair at <paramref name="index"/> is worth now; what was stated before no longer counts.</summary>
    public void Offer(int index, uint key, int merged)
    {
        _keys[index] = key;
        _merged[index] = merged;
        if (key == NoMerge)
            return;
        var entry = (ulong)key << 32 | (uint)index;
        _queue.Enqueue(entry, entry);
    }

    /// <summary>Merges the best pair and gives its index; false when nothing merges any more.</summary>
    public bool TryMerge(out int index)
    {
        while (_queue.TryDequeue(out var entry, out _))
        {
            index = (int)(uint)entry;
            if (_keys[index] != (uint)(entry >> 32))
                continue;                      // an older offer for this place
            Join(index);
            return true;
        }
        index = -1;
        return false;
    }

    private void Join(int index)
    {
        var right = _next[index];
        _pieces[index] = _merged[index];
        _next[index] = _next[right];
        if (_next[right] >= 0)
            _previous[_next[right]] = index;
        _keys[right] = NoMerge;
        _keys[index] = NoMerge;
    }

    private void Grow()
    {
        var size = _pieces.Length * 2;
        Array.Resize(ref _pieces, size);
        Array.Resize(ref _starts, size);
        Array.Resize(ref _next, size);
        Array.Resize(ref _previous, size);
        Array.Resize(ref _keys, size);
        Array.Resize(ref _merged, size);
    }
}
