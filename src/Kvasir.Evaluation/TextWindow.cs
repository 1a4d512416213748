namespace Kvasir.Evaluation;

/// <summary>
/// A part of a text for perplexity. All but the last of its first tokens are computed densely as a prompt; from then on each is fed under the policy
/// and predicts the next, so that what is measured is what a policy does while it decodes.
/// </summary>
/// <param name="StartIndex">Of the first token within the text.</param>
/// <param name="ContextTokens">How many are not predicted.</param>
/// <param name="ScoredTokens">How many behind them are predicted.</param>
public readonly record struct TextWindow(int StartIndex, int ContextTokens, int ScoredTokens)
{
    /// <summary>All of its tokens.</summary>
    public int Tokens => ContextTokens + ScoredTokens;

    /// <summary>
    /// Windows from the text's beginning on, each <paramref name="scoredTokens"/> behind the one before it: every token from the first window's scored
    /// ones on is predicted once, with equally much in front of it. A remainder that does not fill a window is left out.
    /// </summary>
    /// <param name="textTokens">Tokens of the text, without a begin token, which stands in front of every window where the model expects one.</param>
    /// <param name="contextTokens">At least 1.</param>
    /// <param name="scoredTokens">At least 1.</param>
    /// <exception cref="KvasirException">The text is shorter than one window.</exception>
    public static TextWindow[] Cut(int textTokens, int contextTokens, int scoredTokens)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(contextTokens, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(scoredTokens, 1);
        var count = ((long)textTokens - contextTokens) / scoredTokens;
        if (count < 1)
            throw new KvasirException(
                KvasirError.BadFile,
                $"the text has {textTokens} {(textTokens == 1 ? "token" : "tokens")}, and a window takes {(long)contextTokens + scoredTokens}");
        return [.. Enumerable.Range(0, (int)count).Select(i => new TextWindow(i * scoredTokens, contextTokens, scoredTokens))];
    }
}
