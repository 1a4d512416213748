using CsCheck;
using Kvasir.Text;

namespace Kvasir.Test.Text;

/// <summary>Texts are compared through tokens as their bytes would be.</summary>
public sealed class SameTextTest : IDisposable
{
    private readonly Model _model = Generation.LoadStories();

    public void Dispose() => _model.Dispose();

    // Of few pieces, so that they often spell the same: letters, and what is made of them.
    [Fact]
    public void OneTextBeginsWithAnotherWhateverTheirTokens()
    {
        var tokenizer = _model.Tokenizer;
        string[] spelled = ["t", "h", "e", "\u2581", "th", "he", "\u2581t", "\u2581th", "\u2581the"];
        int[] pieces = [.. spelled.Select(tokenizer.Find).OfType<int>(), tokenizer.BeginToken!.Value, tokenizer.EndToken!.Value];
        Assert.InRange(pieces.Length, 8, 11);
        var (same, other) = (0, 0);
        var text = Gen.Int[0, pieces.Length - 1].Select(i => pieces[i]).Array[0, 6];
        Gen.Select(text, text).Sample(
            (tokens, others) =>
            {
                var begins = Spelled(tokens).StartsWith(Spelled(others), StringComparison.Ordinal);
                (same, other) = (same + (begins && !tokens.AsSpan().StartsWith(others) ? 1 : 0), other + (begins ? 0 : 1));
                Assert.Equal(begins, SameText.Begins(tokenizer, tokens, others));
            },
            iter: 20_000, threads: 1);
        Assert.True(same > 50 && other > 50, $"{same} texts were alike in other tokens, {other} were not");

        // Each control token is a letter of its own, no byte.
        string Spelled(int[] tokens) => string.Concat(tokens.Select(token =>
            tokenizer.IsControl(token) ? ((char)(0x1000 + token)).ToString() : string.Concat(tokenizer.Bytes(token).ToArray().Select(static b => (char)b))));
    }
}
