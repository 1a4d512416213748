using System.Diagnostics;
using Kvasir.Server.Answers;
using Kvasir.Server.Errors;
using Kvasir.Server.Framing;
using Kvasir.Server.Hosting;
using Kvasir.Server.Reading;
using Microsoft.Extensions.Options;

namespace Kvasir.Server.Embeddings;

/// <summary>What routes that embed texts have in common: texts are prompts behind which nothing is generated, and go the way of every request.</summary>
internal abstract class EmbeddingRoute(IOptions<KvasirOptions> options) : AnswerRoute
{
    private const int MostTexts = 2048;

    public override bool Streams(RequestFields body) => false;

    public override AnswerWriter NewWriter(ServedAnswer answer, FrameWriter frames) => throw new UnreachableException("embeddings are not streamed");

    /// <param name="cuts">Whether texts that are longer than the context are cut to it.</param>
    protected AnswerRequest Request(RequestValue input, RequestFields body, ServedModel model, bool cuts)
    {
        if (!options.Value.Embeddings)
            throw new RequestException(
                ErrorKind.Unsupported, $"{model.Id} is served for answers alone; started with --embeddings, this server embeds texts too");
        var width = model.Model.Config.Width;
        if (body.Find("dimensions") is { } dimensions && dimensions.Whole(1, int.MaxValue) != width)
            throw dimensions.Unsupported($"{dimensions.Path} is {dimensions.Whole(1, int.MaxValue)}; embeddings of {model.Id} have {width}");
        var texts = Texts(input, model, cuts ? model.Engine.ContextTokens : null);
        return new AnswerRequest(model, texts, new GenerationOptions { MaxTokens = 0 }) { Embeds = true };
    }

    private static PromptSource Texts(RequestValue input, ServedModel model, int? most)
    {
        if (input.IsText)
            return new TextPrompts([Text(input)], parsesControls: false) { MostTokens = most };
        var items = input.Items(int.MaxValue);
        if (items.Count == 0)
            throw input.Refused($"{input.Path} is empty; it is a text, a list of texts, tokens, or a list of lists of tokens");
        if (items[0].IsNumber)
            return new TokenPrompts([TokenPrompts.Read(items, model)]);
        if (items.Count > MostTexts)
            throw input.Refused($"{input.Path} has {items.Count} texts; at most {MostTexts} are allowed");
        return items[0].IsList
            ? new TokenPrompts([.. items.Select(item => TokenPrompts.Read(item.Items(int.MaxValue), model))])
            : new TextPrompts([.. items.Select(Text)], parsesControls: false) { MostTokens = most };
    }

    private static string Text(RequestValue value) => value.Text() is { Length: > 0 } text
        ? text
        : throw value.Refused($"{value.Path} is an empty text, which is nothing to embed");
}
