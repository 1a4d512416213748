namespace Kvasir.Server.Answers;

/// <summary>A prompt that a choice begins with.</summary>
/// <param name="Text">As it is shown.</param>
/// <param name="Scores">Of its tokens; null where nobody asked.</param>
internal sealed record Echo(string Text, PromptScores? Scores);
