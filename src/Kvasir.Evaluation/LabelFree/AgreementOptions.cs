namespace Kvasir.Evaluation.LabelFree;

/// <summary>How a policy is held against dense attention on a prompt without an expected answer.</summary>
/// <param name="Tokens">Most tokens of dense attention's answer, 2 to 1024.</param>
/// <param name="QuestionTokens">How many of a prompt's last tokens are fed under the policy in protocol B, from 1.</param>
public sealed record AgreementOptions(int Tokens = 128, int QuestionTokens = 32)
{
    public const int MostTokens = 1024;

    /// <summary>Whether the answer goes on past its end, so that all prompts have as many tokens.</summary>
    public bool IgnoreEnd { get; init; }

    /// <summary>Whether the divergence is measured, for which dense attention's logits are kept in memory as long as a batch runs.</summary>
    public bool MeasuresDivergence { get; init; } = true;

    /// <summary>Whether a policy that differs also answers by itself, to see how long its answer is: that computes the prompt once more.</summary>
    public bool DecodesAnswers { get; init; } = true;

    /// <summary>All of it, in words.</summary>
    public override string ToString() =>
        $"{Tokens} tokens, question of {QuestionTokens}"
            + $"{(IgnoreEnd ? ", past the end" : "")}{(MeasuresDivergence ? "" : ", no divergence")}{(DecodesAnswers ? "" : ", no answers")}";

    /// <exception cref="KvasirException">Something is out of its range.</exception>
    internal void Validate()
    {
        if (Tokens is < 2 or > MostTokens)
            throw new KvasirException(KvasirError.BadOption, $"tokens {Tokens} is outside 2 to {MostTokens}");
        if (QuestionTokens < 1)
            throw new KvasirException(KvasirError.BadOption, $"question tokens {QuestionTokens} is less than 1");
    }
}
