using Kvasir.Server.Hosting;

namespace Kvasir.Server.Answers;

/// <summary>Tokens to go on with, as they are.</summary>
internal sealed class TokenPrompts(IReadOnlyList<int[]> tokens) : PromptSource
{
    public override long TextBytes => 0;

    public override IReadOnlyList<int[]> Encode(ServedModel model) => tokens;
}
