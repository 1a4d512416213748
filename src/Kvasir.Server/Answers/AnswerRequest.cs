using System.Text.Json.Nodes;
using Kvasir.Server.Hosting;

namespace Kvasir.Server.Answers;

/// <summary>What a client asks for, whatever its dialect: checked, and ready to be computed.</summary>
/// <param name="Model">Who answers.</param>
/// <param name="Prompt">What it answers to.</param>
/// <param name="Options">Of every choice; the seed is the first one's.</param>
internal sealed record AnswerRequest(ServedModel Model, PromptSource Prompt, GenerationOptions Options)
{
    /// <summary>What may or must be called.</summary>
    public AnswerTools Tools { get; init; } = AnswerTools.None;

    /// <summary>JSON that answers have to be; null for any text.</summary>
    public AnswerSchema? Schema { get; init; }

    /// <summary>The priority that was asked for; null for none.</summary>
    public int? AskedPriority { get; init; }

    /// <summary>The most tokens that the model may think; null for as many as it likes.</summary>
    public int? ReasoningTokens { get; init; }

    /// <summary>Choices for each prompt.</summary>
    public int ChoiceCount { get; init; } = 1;

    /// <summary>The most tokens of prompt and answer; null for as many as the engine takes.</summary>
    public int? ContextTokens { get; init; }

    /// <summary>Members of the request that answers of its dialect repeat; null for none.</summary>
    public JsonObject? Repeated { get; init; }

    public bool Streams { get; init; }

    /// <summary>Whether a stream ends with what the request used.</summary>
    public bool IncludesUsage { get; init; }

    /// <summary>Whether a stream tells how far the prompt is computed.</summary>
    public bool IncludesProgress { get; init; }

    /// <summary>Whether every piece of a stream comes with timings.</summary>
    public bool IncludesTimings { get; init; }

    /// <summary>Whether prompts are embedded, and nothing is generated behind them.</summary>
    public bool Embeds { get; init; }

    /// <summary>Whether embeddings are told as bytes.</summary>
    public bool IsBase64 { get; init; }

    /// <summary>Whether the answer's text begins with the prompt.</summary>
    public bool EchoesPrompt { get; init; }

    /// <summary>Whether the prompt's own tokens have log-probabilities, or nothing is to be generated behind them.</summary>
    public bool ScoresPrompt => EchoesPrompt && (Options.TopLogprobs is not null || Options.MaxTokens == 0);
}
