using System.Text;
using Kvasir.Server.Errors;
using Kvasir.Server.Hosting;
using Kvasir.Server.Reading;

namespace Kvasir.Server.Answers;

/// <summary>Two texts, between which the model writes what is missing.</summary>
internal sealed class GapPrompt : PromptSource
{
    private readonly string _before;
    private readonly string _behind;

    private GapPrompt(string before, string behind) => (_before, _behind) = (before, behind);

    public override long TextBytes => (long)Encoding.UTF8.GetByteCount(_before) + Encoding.UTF8.GetByteCount(_behind);

    /// <summary>What a request asks for with <c>prompt</c> and <c>suffix</c>; null where it has no suffix, or an empty one.</summary>
    /// <exception cref="RequestException">The model fills no gaps, or there are several prompts.</exception>
    public static GapPrompt? Find(RequestFields body, ServedModel model)
    {
        if (body.Find("suffix") is not { } suffix || suffix.Text().Length == 0)
            return null;
        if (model.Fill is null)
            throw suffix.Unsupported($"{suffix.Path}: {model.Id} does not support insert: its vocabulary has no tokens for what is before and behind a gap");
        return new GapPrompt(body.Require("prompt").Text(), suffix.Text());
    }

    public override IReadOnlyList<int[]> Encode(ServedModel model) => [model.Fill!.Encode(model.Model.Tokenizer, _before, _behind)];
}
