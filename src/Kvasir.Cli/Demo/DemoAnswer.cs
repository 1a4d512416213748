namespace Kvasir.Cli.Demo;

/// <summary>What the model said to a question under a policy.</summary>
/// <param name="Text">On one line, without the full stop that ends it; may be empty.</param>
/// <param name="KeysRead">Rows read of those in sight, 0 to 1, by the tokens under the policy.</param>
/// <param name="Tokens">Of question and answer: those under the policy.</param>
/// <param name="DecodeMs">That they took.</param>
/// <param name="PromptMs">The last tokens of the text, and the policy's index of all of it.</param>
internal sealed record DemoAnswer(string Text, bool IsRight, double KeysRead, int Tokens, double DecodeMs, double PromptMs);
