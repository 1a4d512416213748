using Kvasir.Text;

namespace Kvasir.Structure;

/// <summary>The tokens of a vocabulary by their bytes, as a tree in preorder: what two tokens begin with alike is looked at once.</summary>
internal sealed class VocabularyTrie
{
    private readonly Dictionary<int, List<int>> _alike = [];

    public VocabularyTrie(Tokenizer tokenizer)
    {
        Tokenizer = tokenizer;
        var tokens = new List<int>();
        var bytes = new byte[tokenizer.VocabularySize][];
        for (var token = 0; token < bytes.Length; token++)
        {
            bytes[token] = tokenizer.Bytes(token).ToArray();
            if (bytes[token].Length == 0 || tokenizer.IsEnd(token))
                continue;
            tokens.Add(token);
            LongestBytes = Math.Max(LongestBytes, bytes[token].Length);
            MostOpened = Math.Max(MostOpened, bytes[token].Count(static value => value is (byte)'{' or (byte)'['));
            MostClosed = Math.Max(MostClosed, bytes[token].Count(static value => value is (byte)'}' or (byte)']'));
        }

        tokens.Sort((x, y) => bytes[x].AsSpan().SequenceCompareTo(bytes[y]) is not 0 and var order ? order : x - y);
        (Bytes, Depths, Tokens, Skips) = Flatten(tokens, bytes);
    }

    public Tokenizer Tokenizer { get; }

    /// <summary>[nodes]: the last byte of the node's text.</summary>
    public byte[] Bytes { get; }

    /// <summary>[nodes]: bytes of the node's text.</summary>
    public ushort[] Depths { get; }

    /// <summary>[nodes]: the token that has this text; -1 for none.</summary>
    public int[] Tokens { get; }

    /// <summary>[nodes]: the node behind all that begin with this one's text.</summary>
    public int[] Skips { get; }

    public int LongestBytes { get; }

    /// <summary>The most opening brackets in a token.</summary>
    public int MostOpened { get; }

    /// <summary>The most closing brackets in a token.</summary>
    public int MostClosed { get; }

    /// <summary>Further tokens with the text of one that stands in the tree.</summary>
    public IReadOnlyList<int> Alike(int token) => _alike.Count > 0 && _alike.TryGetValue(token, out var more) ? more : [];

    private (byte[] Bytes, ushort[] Depths, int[] Tokens, int[] Skips) Flatten(List<int> tokens, byte[][] texts)
    {
        var (bytes, depths, ids) = (new List<byte>(), new List<ushort>(), new List<int>());
        ReadOnlySpan<byte> last = default;
        foreach (var token in tokens)
        {
            var text = texts[token].AsSpan();
            var common = text.CommonPrefixLength(last);
            if (common == text.Length && ids.Count > 0 && ids[^1] >= 0)
            {
                if (!_alike.TryGetValue(ids[^1], out var more))
                    _alike[ids[^1]] = more = [];
                more.Add(token);
                continue;
            }

            // Texts are in order, so that one never ends inside the one before.
            for (var i = common; i < text.Length; i++)
            {
                bytes.Add(text[i]);
                depths.Add((ushort)Math.Min(i + 1, ushort.MaxValue));
                ids.Add(i + 1 == text.Length ? token : -1);
            }

            last = text;
        }

        return ([.. bytes], [.. depths], [.. ids], SkipsOf(depths));
    }

    private static int[] SkipsOf(List<ushort> depths)
    {
        var skips = new int[depths.Count];
        var open = new Stack<int>();
        for (var node = 0; node <= depths.Count; node++)
        {
            while (open.TryPeek(out var top) && (node == depths.Count || depths[node] <= depths[top]))
                skips[open.Pop()] = node;
            if (node < depths.Count)
                open.Push(node);
        }

        return skips;
    }
}
