namespace Kvasir.Server.Answers;

/// <summary>JSON that an answer has to be.</summary>
/// <param name="Text">The JSON schema.</param>
/// <param name="IsStrict">Whether keywords that are not supported are refused; else the answer's headers name them.</param>
/// <param name="Place">Where in the request it stands.</param>
internal sealed record AnswerSchema(string Text, bool IsStrict, string Place);
