namespace Kvasir.Calls;

/// <summary>What a part of an answer is.</summary>
public enum AnswerPartKind
{
    /// <summary>What is said to the user.</summary>
    Content,

    /// <summary>What the model thought before.</summary>
    Reasoning,

    /// <summary>A call begins: <see cref="AnswerPart.Text"/> is the function's name.</summary>
    CallBegin,

    /// <summary>More of the call's arguments, a JSON object as the model writes it.</summary>
    CallArguments,

    /// <summary>The call is complete.</summary>
    CallEnd,
}

/// <summary>A part of an answer, as it comes.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Text">Its text; of a call that begins the function's name, of one that ends nothing.</param>
/// <param name="CallIndex">Of the call that it belongs to, from 0; -1 for none.</param>
/// <param name="CallId">Of a call that begins: what its result refers to.</param>
public readonly record struct AnswerPart(AnswerPartKind Kind, string Text, int CallIndex = -1, string? CallId = null);
