using Kvasir.Text.Words;

namespace Kvasir.Text.Tokenizers;

/// <summary>Turns one word into tokens by merging neighbours, best pair first, leftmost of equals. n symbols cost n log n.</summary>
internal abstract class WordEncoder
{
    /// <summary>Appends the tokens of <paramref name="word"/> (UTF-8) to <paramref name="tokens"/>.</summary>
    public void Encode(ReadOnlySpan<byte> word, Symbols symbols, List<int> tokens)
    {
        symbols.Clear(word.Length);
        Split(word, symbols);
        for (var i = 0; i + 1 < symbols.Count; i++)
            Offer(word, symbols, i);
        while (symbols.TryMerge(out var index))
        {
            Offer(word, symbols, index);
            if (symbols.Previous(index) >= 0)
                Offer(word, symbols, symbols.Previous(index));
        }
        if (symbols.Count == 0)
            return;
        for (var i = 0; i >= 0; i = symbols.Next(i))
            Emit(word, symbols, i, tokens);
    }

    /// <summary>Fills <paramref name="symbols"/> with what merging begins with.</summary>
    protected abstract void Split(ReadOnlySpan<byte> word, Symbols symbols);

    /// <summary>Whether the symbol at <paramref name="left"/> merges with its right neighbour; smaller keys merge first.</summary>
    protected abstract bool TryPair(ReadOnlySpan<byte> word, Symbols symbols, int left, out uint key, out int merged);

    protected abstract void Emit(ReadOnlySpan<byte> word, Symbols symbols, int index, List<int> tokens);

    private void Offer(ReadOnlySpan<byte> word, Symbols symbols, int left)
    {
        if (symbols.Next(left) >= 0 && TryPair(word, symbols, left, out var key, out var merged))
            symbols.Offer(left, key, merged);
        else
            symbols.Offer(left, Symbols.NoMerge, -1);
    }
}
