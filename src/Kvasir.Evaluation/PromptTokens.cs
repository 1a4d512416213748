using Kvasir.Text;

namespace Kvasir.Evaluation;

/// <summary>A sample as tokens. Both protocols feed the same tokens; they differ in where the policy begins.</summary>
/// <param name="Tokens">Of context, question and answer prefix, encoded as one text, behind the begin token where the model expects one.</param>
/// <param name="ContextTokens">How many of them belong to the context alone. A token that covers both sides of the border is the question's.</param>
public sealed record PromptTokens(IReadOnlyList<int> Tokens, int ContextTokens)
{
    /// <summary>The tokens of a prompt that is completed as it is, without a chat template.</summary>
    public static PromptTokens Of(Tokenizer tokenizer, Sample sample)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(sample);
        var tokens = tokenizer.Encode(sample.Prompt);
        return new PromptTokens(tokens, tokens.AsSpan().CommonPrefixLength(tokenizer.Encode(sample.Context)));
    }

    /// <summary>How many tokens are computed densely under <paramref name="protocol"/>; the others are fed under the policy.</summary>
    public int DenseTokens(Protocol protocol) => protocol == Protocol.QuestionDense ? Tokens.Count : ContextTokens;
}
