using System.Text;
using Kvasir.Server.Hosting;

namespace Kvasir.Server.Answers;

/// <summary>Texts to go on with. Each begins a context; control tokens that they spell are those tokens, as in every completion: nobody else speaks in them.</summary>
internal sealed class TextPrompts(IReadOnlyList<string> texts) : PromptSource
{
    public override long TextBytes => texts.Max(static text => (long)Encoding.UTF8.GetByteCount(text));

    public override IReadOnlyList<int[]> Encode(ServedModel model) => [.. texts.Select(text => model.Model.Tokenizer.Encode(text, addBegin: true, parseSpecial: true))];
}
