using Kvasir.Server.Answers;
using Kvasir.Server.Hosting;

namespace Kvasir.Server.Ollama;

/// <summary>A question behind the tokens of an earlier answer, as that answer told them.</summary>
internal sealed class ContinuedPrompt(int[] before, PromptSource question) : PromptSource
{
    public override long TextBytes => question.TextBytes;

    public override bool IsConversation => question.IsConversation;

    public override IReadOnlyList<int[]> Encode(ServedModel model) =>
        [.. question.Encode(model).Select(tokens => (int[])[.. before, .. WithoutBegin(tokens, model.Model.Tokenizer.BeginToken)])];

    // A context begins once.
    private static ReadOnlySpan<int> WithoutBegin(int[] tokens, int? begin) => tokens.AsSpan(tokens.Length > 0 && tokens[0] == begin ? 1 : 0);
}
