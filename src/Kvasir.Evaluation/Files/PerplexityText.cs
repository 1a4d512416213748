using Kvasir.Text;

namespace Kvasir.Evaluation.Files;

/// <summary>A text file as tokens, cut into windows for perplexity.</summary>
/// <param name="Tokens">Of the whole text, without a begin token.</param>
/// <param name="Windows">In the text's order.</param>
public sealed record PerplexityText(IReadOnlyList<int> Tokens, IReadOnlyList<TextWindow> Windows)
{
    /// <summary>Reads a file of UTF-8.</summary>
    /// <param name="path">The file, at most 256 MiB.</param>
    /// <param name="tokenizer">Of the model that is measured.</param>
    /// <param name="contextTokens">As in <see cref="TextWindow.Cut"/>; with a begin token in front, one more is computed.</param>
    /// <param name="scoredTokens">As in <see cref="TextWindow.Cut"/>.</param>
    /// <exception cref="KvasirException">The file is missing, too large, no UTF-8 text, empty, or shorter than a window.</exception>
    public static PerplexityText Read(string path, Tokenizer tokenizer, int contextTokens, int scoredTokens)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        var tokens = tokenizer.Encode(TextFile.Read(path), addBegin: false);
        try
        {
            return new PerplexityText(tokens, TextWindow.Cut(tokens.Length, contextTokens, scoredTokens));
        }
        catch (KvasirException exception)
        {
            throw new KvasirException(exception.Error, $"{path}: {exception.Message}", exception);
        }
    }
}
