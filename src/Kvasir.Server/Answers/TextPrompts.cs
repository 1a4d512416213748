using System.Text;
using Kvasir.Server.Hosting;

namespace Kvasir.Server.Answers;

/// <summary>Texts, each of which begins a context. In completions control tokens that they spell are those tokens: nobody else speaks in them.</summary>
/// <param name="texts">At least one.</param>
/// <param name="parsesControls">Whether control tokens that they spell are those tokens; else they are text.</param>
/// <param name="begins">Whether what begins a context, if the vocabulary has that, is put before them.</param>
internal sealed class TextPrompts(IReadOnlyList<string> texts, bool parsesControls = true, bool begins = true) : PromptSource
{
    /// <summary>Tokens that a longer text is cut to; null where it is to be refused.</summary>
    public int? MostTokens { get; init; }

    public override long TextBytes => MostTokens is not null ? 0 : texts.Max(static text => (long)Encoding.UTF8.GetByteCount(text));

    public override IReadOnlyList<int[]> Encode(ServedModel model) =>
        [.. texts.Select(text => Cut(model.Model.Tokenizer.Encode(text, begins, parsesControls)))];

    private int[] Cut(int[] tokens) => tokens.Length > MostTokens ? tokens[..MostTokens.Value] : tokens;
}
