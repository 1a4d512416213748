namespace Kvasir.Text.Tokenizers;

/// <summary>
/// Tokens of words met before. A fixed number of slots, each holding the last word that fell into it; entries are
/// immutable, so that threads may share it without a lock.
/// </summary>
internal sealed class WordCache
{
    public const int MaxWordBytes = 32;

    private const int SlotCount = 1 << 14;

    private readonly Entry?[] _slots = new Entry?[SlotCount];

    /// <summary>Appends the tokens of <paramref name="word"/> if they are known.</summary>
    public bool TryAppend(ReadOnlySpan<byte> word, List<int> tokens, out int slot)
    {
        slot = (int)PieceLookup.Hash(word) & SlotCount - 1;
        var entry = Volatile.Read(ref _slots[slot]);
        if (entry is null || !word.SequenceEqual(entry.Word))
            return false;
        tokens.AddRange(entry.Tokens.AsSpan());
        return true;
    }

    public void Put(int slot, ReadOnlySpan<byte> word, int[] tokens) => Volatile.Write(ref _slots[slot], new Entry(word.ToArray(), tokens));

    private sealed record Entry(byte[] Word, int[] Tokens);
}
