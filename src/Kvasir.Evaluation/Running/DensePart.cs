namespace Kvasir.Evaluation.Running;

/// <summary>
/// What is computed once of a sample's prompt and then used under every policy. Its last tokens are not among it: every policy computes them itself, and
/// with them what it observes. So a policy's figures are the same whichever others are compared.
/// </summary>
internal sealed class DensePart
{
    /// <summary>Tokens that most policies would observe.</summary>
    public const int LeastOwnTokens = 64;

    // A longer question is worth a part for each protocol.
    private const int MostQuestionTokens = 256;

    private DensePart(SharedPrompt prompt, TimedSequence computed) => (Prompt, Computed) = (prompt, computed);

    public SharedPrompt Prompt { get; }

    /// <summary>The sequence that computes it.</summary>
    public TimedSequence Computed { get; }

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
        return new DensePart(prompt, new TimedSequence(new Sequence(tokens, options) { Shared = prompt }));
    }
}
