using Kvasir.Sampling;

namespace Kvasir.Server.Answers;

/// <summary>
/// Log-probabilities of a prompt's own tokens: it is fed token by token behind its first one, and the logits before each are looked at as they come and
/// dropped. Written by the engine's thread, and read when the prompt is computed.
/// </summary>
/// <param name="prompt">At least two tokens.</param>
/// <param name="topCount">Alternatives to tell with each.</param>
internal sealed class PromptScores(int[] prompt, int topCount)
{
    private static readonly IReadOnlyList<TokenLogprob> None = [];

    // Nothing comes before the first token, so that nothing is known of it.
    private readonly GeneratedToken[] _tokens = [.. prompt.Select(static token => new GeneratedToken(token, "", float.NaN, None))];

    public IReadOnlyList<GeneratedToken> Tokens => _tokens;

    /// <summary>The options of the sequence whose prompt is the first token alone.</summary>
    public GenerationOptions Options(GenerationOptions options) =>
        options with { GivenTokens = prompt.AsMemory(1), Logits = Observe, SpeculativeTokens = GenerationOptions.MostSpeculativeTokens };

    private void Observe(int index, ReadOnlySpan<float> logits)
    {
        if (index + 1 >= _tokens.Length)
            return;
        var token = prompt[index + 1];
        var logSum = Logprobs.LogSumExp(logits, Largest(logits));
        _tokens[index + 1] = new GeneratedToken(token, "", logits[token] - logSum, topCount > 0 ? Logprobs.MostProbable(logits, logSum, topCount) : None);
    }

    private static float Largest(ReadOnlySpan<float> logits)
    {
        var largest = float.NegativeInfinity;
        foreach (var logit in logits)
            largest = Math.Max(largest, logit);
        return largest;
    }
}
