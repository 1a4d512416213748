using Kvasir.Files;
using Kvasir.Models.Configs;

namespace Kvasir;

/// <summary>
/// How a token is drawn from the logits. Applied in this order: logit bias, penalties, temperature, top-k, top-p, min-p.
/// </summary>
public sealed record SamplingOptions
{
    /// <summary>The most probable token, always.</summary>
    public static SamplingOptions Greedy { get; } = new() { Temperature = 0 };

    /// <summary>From 0 (greedy) to 100; logits are divided by it.</summary>
    public float Temperature { get; init; } = 0.8f;

    /// <summary>Only this many of the most probable tokens; 0 for all.</summary>
    public int TopK { get; init; } = 40;

    /// <summary>Only the smallest set of most probable tokens that holds this much probability; in (0, 1].</summary>
    public float TopP { get; init; } = 0.95f;

    /// <summary>Only tokens at least this probable relative to the most probable one; in [0, 1].</summary>
    public float MinP { get; init; } = 0.05f;

    /// <summary>Divides positive and multiplies negative logits of tokens in the window; above 0, 1 changes nothing.</summary>
    public float RepetitionPenalty { get; init; } = 1;

    /// <summary>The last tokens, prompt and answer, that <see cref="RepetitionPenalty"/> looks at; 0 for all.</summary>
    public int RepetitionWindow { get; init; } = 64;

    /// <summary>Taken from the logit of every token that the answer already has; from -2 to 2.</summary>
    public float PresencePenalty { get; init; }

    /// <summary>Taken from a token's logit for each time that the answer already has it; from -2 to 2.</summary>
    public float FrequencyPenalty { get; init; }

    /// <summary>Added to the logits of single tokens, by id; from -100 to 100, where -100 bans.</summary>
    public IReadOnlyDictionary<int, float> LogitBias { get; init; } = new Dictionary<int, float>();

    /// <summary>The same seed, prompt and options give the same tokens; null draws a fresh one.</summary>
    public ulong? Seed { get; init; }

    /// <summary>These defaults, with what a model's makers say in their place.</summary>
    public static SamplingOptions For(GenerationDefaults model)
    {
        ArgumentNullException.ThrowIfNull(model);
        var options = new SamplingOptions();
        return options with
        {
            Temperature = model.DoSample == false ? 0 : (float)(model.Temperature ?? options.Temperature),
            TopK = model.TopK ?? options.TopK,
            TopP = (float)(model.TopP ?? options.TopP),
            MinP = (float)(model.MinP ?? options.MinP),
            RepetitionPenalty = (float)(model.RepetitionPenalty ?? options.RepetitionPenalty),
        };
    }

    internal bool HasPenalties => RepetitionPenalty != 1 || PresencePenalty != 0 || FrequencyPenalty != 0;

    /// <summary>A copy that shares nothing which somebody could change later.</summary>
    /// <exception cref="KvasirException">An option is null or outside its range.</exception>
    internal SamplingOptions Checked(int vocabularySize)
    {
        if (LogitBias is null)
            throw new KvasirException(KvasirError.BadOption, "the logit bias is null; an empty one stands for none");
        if (LogitBias.Count > vocabularySize)
            throw new KvasirException(KvasirError.BadOption, $"the logit bias names {LogitBias.Count} tokens, but the vocabulary has {vocabularySize}");
        var own = this with { LogitBias = new Dictionary<int, float>(LogitBias) };
        own.Validate(vocabularySize);
        return own;
    }

    private void Validate(int vocabularySize)
    {
        Require(Temperature, 0, 100, "temperature");
        Require(TopK, 0, int.MaxValue, "top-k");
        Require(MinP, 0, 1, "min-p");
        Require(TopP, 0, 1, "top-p");
        if (TopP == 0)
            throw new KvasirException(KvasirError.BadOption, "top-p 0 leaves no token; it must be above 0 and at most 1");
        Require(RepetitionPenalty, 1e-3, 100, "repetition penalty");
        Require(RepetitionWindow, 0, int.MaxValue, "repetition window");
        Require(PresencePenalty, -2, 2, "presence penalty");
        Require(FrequencyPenalty, -2, 2, "frequency penalty");
        foreach (var (token, bias) in LogitBias)
        {
            Require(bias, -100, 100, $"logit bias of token {token}");
            if ((uint)token >= (uint)vocabularySize)
                throw new KvasirException(KvasirError.BadOption, $"logit bias names token {token}, but the vocabulary has {vocabularySize}");
        }
    }

    // Written so that NaN fails.
    private static void Require(double value, double least, double most, string name)
    {
        if (!(value >= least && value <= most))
            throw new KvasirException(KvasirError.BadOption, $"{name} {value} is outside {least} to {most}");
    }
}
