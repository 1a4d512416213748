using System.Text.Json;
using Kvasir.Attention.Policies;
using Kvasir.Server.Answers;
using Kvasir.Server.Errors;
using Kvasir.Server.Framing;
using Kvasir.Server.Hosting;
using Kvasir.Server.Reading;
using Microsoft.Extensions.Options;

namespace Kvasir.Server.OpenAi;

/// <summary><c>POST /v1/completions</c>: text that goes on, without a template.</summary>
internal sealed class CompletionRoute(IOptions<KvasirOptions> options) : AnswerRoute
{
    private const int MostPrompts = 64;
    private const int UsualTokens = 16;

    public override ErrorShape Errors => OpenAiErrors.Shape;

    public override AnswerRequest Read(RequestFields body, ServedModel model)
    {
        var choices = SamplingFields.Choices(body, options.Value.MaxChoices);
        RefuseMissing(body, choices);
        var echoes = body.Find("echo")?.Flag() ?? false;
        var gap = GapPrompt.Find(body, model);
        if (gap is not null && echoes)
            throw body.Require("echo").Unsupported("echo: a prompt with a suffix is no beginning of the answer");
        var settings = SamplingFields.Read(body, model, Limit(body, echoes)) with { TopLogprobs = (int?)body.Find("logprobs")?.Whole(0, 20) };
        // What is scored is the model's, not a policy's: unless one is named, a prompt that is fed token by token is attended as prompts are.
        if (echoes && settings.TopLogprobs is not null)
            settings = settings with { Attention = settings.Attention ?? PolicyCatalog.Dense };
        return new AnswerRequest(model, gap ?? Prompts(body.Require("prompt"), model), settings)
        {
            Schema = FormatFields.Read(body, options.Value.Strict),
            ChoiceCount = choices,
            EchoesPrompt = echoes,
            Streams = Streams(body),
            IncludesUsage = StreamFields.IncludesUsage(body),
            IncludesProgress = body.Find("return_progress")?.Flag() ?? false,
            IncludesTimings = body.Find("timings_per_token")?.Flag() ?? false,
        };
    }

    public override AnswerWriter NewWriter(ServedAnswer answer, FrameWriter frames) => new CompletionStream(answer, (SseFrames)frames);

    public override void WriteWhole(Utf8JsonWriter json, ServedAnswer answer) => CompletionBody.Write(json, answer);

    // Nothing is generated only where there is something else to tell.
    private static int? Limit(RequestFields body, bool echoes) =>
        body.Find("max_tokens") is { } limit ? SamplingFields.Limit(limit, least: echoes ? 0 : 1) : UsualTokens;

    private static void RefuseMissing(RequestFields body, int choices)
    {
        if (body.Find("best_of") is { } best && best.Whole(1, 128) != choices)
            throw best.Unsupported($"{best.Path} is {best.Whole(1, 128)}; only n, which is {choices}, is honoured");
    }

    private static PromptSource Prompts(RequestValue prompt, ServedModel model)
    {
        if (prompt.IsText)
            return new TextPrompts([prompt.Text()]);
        var items = prompt.Items(int.MaxValue);
        if (items.Count == 0)
            throw prompt.Refused($"{prompt.Path} is empty; it is a text, a list of texts, tokens, or a list of lists of tokens");
        if (items[0].IsNumber)
            return new TokenPrompts([TokenPrompts.Read(items, model)]);
        if (items.Count > MostPrompts)
            throw prompt.Refused($"{prompt.Path} has {items.Count} prompts; at most {MostPrompts} are allowed");
        return items[0].IsList
            ? new TokenPrompts([.. items.Select(item => TokenPrompts.Read(item.Items(int.MaxValue), model))])
            : new TextPrompts([.. items.Select(static item => item.Text())]);
    }
}
