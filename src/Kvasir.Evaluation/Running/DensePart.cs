namespace Kvasir.Evaluation.Running;

/// <summary>
/// What is computed once of a sample's prompt and then used under every policy. Its last tokens are not among it: every policy computes them itself. One that
/// observes more of a prompt's end takes less of the part, and computes the rest itself, and with it what it observes. So a policy's figures are the same
/// whichever others are compared.
/// </summary>
internal sealed class DensePart
{
    /// <summary>Tokens that most policies would observe.</summary>
    public const int LeastOwnTokens = 64;

    // A longer question is worth a part for each protocol.
    private const int MostQuestionTokens = 256;

    private readonly int[] _tokens;

    private DensePart(int[] tokens, SharedPrompt prompt, TimedSequence computed) => (_tokens, Prompt, Computed) = (tokens, prompt, computed);

    public SharedPrompt Prompt { get; }

    /// <summary>The sequence that computes it.</summary>
    public TimedSequence Computed { get; }

    /// <summary>Milliseconds that so many of its tokens took, a share of all by their number.</summary>
    public double PromptMs(int tokenCount) => Computed.PromptMs * tokenCount / Prompt.TokenCount;

    /// <summary>Whether a sample's prompt begins with its tokens.</summary>
    public bool Begins(PlannedSample sample) => sample.Prompt.Tokens.Take(Prompt.TokenCount).SequenceEqual(_tokens);

    public bool IsDone => Computed.Sequence.Finish != FinishReason.None;

    /// <summary>Tokens of the part, in whole units; 0 where sharing is not worth it.</summary>
    /// <param name="ownTokens">At least so many of the prompt are each policy's own.</param>
    public static int TokensOf(PromptTokens prompt, Protocol protocol, int ownTokens)
    {
        var dense = prompt.Tokens.Count - prompt.ContextTokens <= MostQuestionTokens ? prompt.ContextTokens : prompt.DenseTokens(protocol);
        return Math.Max(0, dense - ownTokens) / SharedPrompt.UnitTokens * SharedPrompt.UnitTokens;
    }

    /// <summary>Null for no tokens.</summary>
    public static DensePart? Of(PlannedSample sample, int tokenCount)
    {
        if (tokenCount == 0)
            return null;
        int[] tokens = [.. sample.Prompt.Tokens.Take(tokenCount)];
        var prompt = new SharedPrompt(tokens);
        var options = new GenerationOptions { MaxTokens = 1, IgnoreEnd = true, Sampling = SamplingOptions.Greedy };
        return new DensePart(tokens, prompt, new TimedSequence(new Sequence(tokens, options) { Shared = prompt }));
    }
}
