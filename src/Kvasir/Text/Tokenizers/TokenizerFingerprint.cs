using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Kvasir.Text.Tokenizers;

/// <summary>What tells a tokenizer from any that gives other tokens for a text, or other texts for tokens, whichever file it came from.</summary>
internal static class TokenizerFingerprint
{
    public static string Of(TokenizerModel model)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        // What is no list stands in the record's text; of a list that has the name of its type.
        Add(hash, model.ToString());
        for (var id = 0; id < model.Pieces.Length; id++)
        {
            Add(hash, model.Pieces[id]);
            Add(hash, (int)model.Types[id]);
        }

        foreach (var score in model.Scores)
            Add(hash, BitConverter.SingleToInt32Bits(score));
        foreach (var merge in model.Merges)
        {
            Add(hash, merge.Left);
            Add(hash, merge.Right);
        }

        foreach (var token in model.AddedTokens)
            Add(hash, token.ToString());
        foreach (var step in model.Normalizer)
            Add(hash, step.ToString()!);
        foreach (var token in (ReadOnlySpan<int>)[model.Prefix.Length, .. model.Prefix, .. model.EndTokens])
            Add(hash, token);
        return Convert.ToHexString(hash.GetHashAndReset());
    }

    // With its length before it: no two lists read the same.
    private static void Add(IncrementalHash hash, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        Add(hash, bytes.Length);
        hash.AppendData(bytes);
    }

    private static void Add(IncrementalHash hash, int number)
    {
        Span<byte> bytes = stackalloc byte[sizeof(int)];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, number);
        hash.AppendData(bytes);
    }
}
