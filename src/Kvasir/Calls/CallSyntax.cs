namespace Kvasir.Calls;

/// <summary>How a family of models writes calls.</summary>
internal enum CallFamily
{
    /// <summary>A JSON object between two marks, for each call (Hermes, Qwen).</summary>
    Tagged,

    /// <summary>The answer is a JSON object that has a name and arguments (Llama 3).</summary>
    Bare,

    /// <summary>A JSON list of objects behind a mark (Mistral).</summary>
    List,
}

/// <summary>The words in which a model calls tools.</summary>
/// <param name="Family">How they are put.</param>
/// <param name="Open">Mark in front; empty for none.</param>
/// <param name="Close">Mark behind; empty for none.</param>
/// <param name="ArgumentsKey">What the object calls its arguments.</param>
internal sealed record CallSyntax(CallFamily Family, string Open, string Close, string ArgumentsKey);

/// <summary>Marks around what a model thinks before it answers.</summary>
internal sealed record ReasoningMarks(string Open, string Close);
