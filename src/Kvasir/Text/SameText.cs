namespace Kvasir.Text;

/// <summary>Whether tokens spell what other tokens do.</summary>
internal static class SameText
{
    /// <summary>
    /// Whether the text of <paramref name="tokens"/> begins with all of that of <paramref name="others"/>. A control token is like itself alone, however a
    /// text may spell it.
    /// </summary>
    public static bool Begins(Tokenizer tokenizer, ReadOnlySpan<int> tokens, ReadOnlySpan<int> others)
    {
        ReadOnlySpan<byte> left = [], right = [];
        for (int i = 0, j = 0; ;)
        {
            if (right.IsEmpty && j == others.Length)
                return true;
            if (left.IsEmpty && i == tokens.Length)
                return false;
            if (left.IsEmpty && right.IsEmpty && tokens[i] == others[j])
            {
                (i, j) = (i + 1, j + 1);
                continue;
            }

            if (left.IsEmpty)
                left = tokenizer.Bytes(tokens[i++]);
            if (right.IsEmpty)
                right = tokenizer.Bytes(others[j++]);
            var common = Math.Min(left.Length, right.Length);
            if (common == 0 || !left[..common].SequenceEqual(right[..common]))
                return false;
            left = left[common..];
            right = right[common..];
        }
    }
}
