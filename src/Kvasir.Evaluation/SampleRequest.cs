using Kvasir.Text;

namespace Kvasir.Evaluation;

/// <summary>Which sample is wanted. The same request gives the same sample on every machine and in every version of .NET.</summary>
/// <param name="Tokenizer">Lengths are counted with it.</param>
/// <param name="LengthTokens">
/// Tokens of the prompt, with the begin token, and the room for the answer together, as RULER counts. Tasks from files take it as a limit, or
/// leave it alone where their texts are as long as they are.
/// </param>
/// <param name="Seed">Where a task hides something of a fixed size, draws do not depend on the length: a longer text hides the same needle.</param>
/// <param name="Index">Of the sample, from 0 on.</param>
public sealed record SampleRequest(Tokenizer Tokenizer, int LengthTokens, ulong Seed, int Index);
