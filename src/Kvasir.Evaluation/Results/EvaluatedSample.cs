namespace Kvasir.Evaluation.Results;

/// <summary>One sample under one policy: what every table, curve and heat map is made from. One line of a state file.</summary>
public sealed record EvaluatedSample
{
    /// <summary>As in <see cref="TaskCatalog"/>; "agree" for agreement with dense attention, "ppl" for perplexity.</summary>
    public required string Task { get; init; }

    /// <summary>Tokens that were asked for; the samples of one length share it.</summary>
    public required int Context { get; init; }

    /// <summary>Tokens that the prompt has.</summary>
    public required int PromptTokens { get; init; }

    public required Protocol Protocol { get; init; }

    /// <summary>As <see cref="Kvasir.Attention.AttentionPolicy"/> writes itself: the name and every option that differs from its default.</summary>
    public required string Policy { get; init; }

    /// <summary>Counts from 0; samples of one number are the same text under every policy.</summary>
    public required int Sample { get; init; }

    /// <summary>Where the needle lies, 0 to 1; null where that is not what varies.</summary>
    public double? Depth { get; init; }

    /// <summary>
    /// In 0 to 1: of a task, its scoring rule; of agreement, the share of tokens that dense attention puts first too;
    /// of perplexity, the share of tokens that come first.
    /// </summary>
    public required double Score { get; init; }

    /// <summary>Kullback-Leibler divergence of the next token's distribution from dense attention's, nats a token; null where it was not measured.</summary>
    public double? Divergence { get; init; }

    /// <summary>Negative log-likelihood of the text, nats a token; null where it was not measured.</summary>
    public double? Loss { get; init; }

    public string Answer { get; init; } = "";

    public IReadOnlyList<string> Expected { get; init; } = [];

    /// <summary>Tokens of the answer, where its length is what is compared; null elsewhere.</summary>
    public int? AnswerTokens { get; init; }

    /// <summary>Those of dense attention's answer, likewise.</summary>
    public int? ExpectedTokens { get; init; }

    /// <summary>Tokens that were fed under the policy.</summary>
    public required int DecodedTokens { get; init; }

    /// <summary>Cached rows that were read, as a share of those there were: all layers, heads and steps under the policy. 1 is dense.</summary>
    public required double KeysRead { get; init; }

    /// <summary>The same, layer by layer.</summary>
    public IReadOnlyList<double> LayerKeysRead { get; init; } = [];

    /// <summary>Share of the attention mass that the rows read hold, and the relative error of attention's output; null where nothing was audited.</summary>
    public double? MassKept { get; init; }

    public double? OutputError { get; init; }

    /// <summary>Bytes of keys, values and index read for a token, by the policy's own account.</summary>
    public required double BytesPerToken { get; init; }

    public required double PromptMs { get; init; }

    /// <summary>Milliseconds of all tokens under the policy together.</summary>
    public required double DecodeMs { get; init; }
}
