using System.Text.Json.Nodes;

namespace Kvasir.Text;

/// <summary>What a chat template sees besides the messages.</summary>
public sealed record ChatTemplateOptions
{
    /// <summary>Ends the text with the opening of the assistant's answer (add_generation_prompt).</summary>
    public bool AddsGenerationPrompt { get; init; } = true;

    /// <summary>
    /// The text ends where the last message's does, which is left open: the answer goes on with it. <see cref="AddsGenerationPrompt"/> says nothing then.
    /// </summary>
    public bool ContinuesLastMessage { get; init; }

    /// <summary>How the vocabulary spells the token that begins a text (bos_token); undefined in the template when null.</summary>
    public string? BeginText { get; init; }

    /// <summary>How the vocabulary spells the token that ends a text (eos_token); undefined in the template when null.</summary>
    public string? EndText { get; init; }

    /// <summary>JSON descriptions of the functions that the model may call, in the form that its template expects, usually OpenAI's.</summary>
    public JsonArray? Tools { get; init; }

    /// <summary>Documents for templates that ground answers in them.</summary>
    public JsonArray? Documents { get; init; }

    /// <summary>Further variables by name, such as enable_thinking or date_string; they win over those above.</summary>
    public JsonObject? Variables { get; init; }

    /// <summary>Where strftime_now reads the local time.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;
}
