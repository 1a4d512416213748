using System.Numerics;

namespace Kvasir.Structure;

/// <summary>A set of tokens, and how everything else is taken out of a row of logits. A few are kept as a list, many as bits. Immutable.</summary>
public sealed class TokenMask
{
    // A list costs a step for each token and as many bits as 32 of them.
    private const int TokensPerListed = 32;
    private const int MostListed = 256;
    private readonly int[]? _listed;
    private readonly ulong[] _bits;

    /// <param name="tokens">Which are allowed; ids at most once, in any order.</param>
    /// <param name="vocabularySize">Ids are below this.</param>
    public TokenMask(ReadOnlySpan<int> tokens, int vocabularySize)
    {
        (Count, VocabularySize) = (tokens.Length, vocabularySize);
        if (tokens.Length <= Math.Min(MostListed, vocabularySize / TokensPerListed))
        {
            (_listed, _bits) = (tokens.ToArray(), []);
            Array.Sort(_listed);
            return;
        }

        _bits = new ulong[(vocabularySize + 63) / 64];
        foreach (var token in tokens)
            _bits[token >> 6] |= 1ul << (token & 63);
    }

    /// <summary>Tokens that are allowed.</summary>
    public int Count { get; }

    /// <summary>Ids that the mask speaks of; those beyond are not allowed.</summary>
    public int VocabularySize { get; }

    /// <summary>Bytes that it takes.</summary>
    internal int Bytes => ((_listed?.Length ?? 0) * sizeof(int)) + (_bits.Length * sizeof(ulong));

    public bool Allows(int token)
    {
        if ((uint)token >= (uint)VocabularySize)
            return false;
        return _listed is null ? (_bits[token >> 6] >> (token & 63) & 1) != 0 : Array.BinarySearch(_listed, token) >= 0;
    }

    /// <summary>Sets the logits of all other tokens to minus infinity.</summary>
    /// <param name="logits">[vocabulary]; may be wider than the mask.</param>
    public void Apply(Span<float> logits)
    {
        if (_listed is not null)
        {
            ApplyListed(logits);
            return;
        }

        for (var word = 0; word < _bits.Length; word++)
        {
            var bits = _bits[word];
            if (bits != ulong.MaxValue)
                Apply(bits, logits.Slice(word * 64, Math.Min(64, logits.Length - (word * 64))));
        }

        logits[Math.Min(VocabularySize, logits.Length)..].Fill(float.NegativeInfinity);
    }

    private static void Apply(ulong bits, Span<float> logits)
    {
        if (BitOperations.PopCount(bits) > 16)
        {
            for (var banned = ~bits; banned != 0; banned &= banned - 1)
            {
                if (BitOperations.TrailingZeroCount(banned) is var i && i < logits.Length)
                    logits[i] = float.NegativeInfinity;
            }

            return;
        }

        Span<float> kept = stackalloc float[16];
        var count = 0;
        for (var allowed = bits; allowed != 0; allowed &= allowed - 1)
            kept[count++] = logits[BitOperations.TrailingZeroCount(allowed)];
        logits.Fill(float.NegativeInfinity);
        count = 0;
        for (var allowed = bits; allowed != 0; allowed &= allowed - 1)
            logits[BitOperations.TrailingZeroCount(allowed)] = kept[count++];
    }

    private void ApplyListed(Span<float> logits)
    {
        Span<float> kept = stackalloc float[MostListed];
        for (var i = 0; i < _listed!.Length; i++)
            kept[i] = logits[_listed[i]];
        logits.Fill(float.NegativeInfinity);
        for (var i = 0; i < _listed.Length; i++)
            logits[_listed[i]] = kept[i];
    }
}
