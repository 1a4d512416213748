using System.Text.Json;
using System.Text.Json.Nodes;
using Kvasir.Calls;
using Kvasir.Server.Answers;
using Kvasir.Server.Errors;
using Kvasir.Server.Framing;
using Kvasir.Server.Hosting;
using Kvasir.Server.OpenAi;
using Kvasir.Server.Reading;
using Kvasir.Text;
using Microsoft.AspNetCore.Http;

namespace Kvasir.Server.Ollama;

/// <summary>What chat and generate have in common: options, streams by default, and lines of JSON.</summary>
internal abstract class OllamaRoute : AnswerRoute
{
    private static readonly JsonElement Empty = JsonDocument.Parse("{}").RootElement;

    public override ErrorShape Errors => OllamaErrors.Shape;

    /// <summary>Whether the text stands in a message, or in <c>response</c>.</summary>
    protected abstract bool HasMessages { get; }

    public override AnswerRequest Read(RequestFields body, ServedModel model)
    {
        RefuseImages(body);
        var options = body.Find("options")?.Object() ?? new RequestFields(Empty, body.Path.Member("options"), body.Ignored);
        var settings = SamplingFields.Read(options, model, Limit(options.Find("num_predict"))) with { TopLogprobs = Logprobs(body) };
        // Here 0 looks at no token, and -1 at all.
        if (options.Find("repeat_last_n")?.Whole(-1, int.MaxValue) == 0)
            settings = settings with { Sampling = settings.Sampling with { RepetitionPenalty = 1 } };
        var context = Context(options.Find("num_ctx"), model);
        options.IgnoreRest();
        var (tools, truncates) = (Tools(body, model), body.Find("truncate")?.Flag() ?? false);
        return new AnswerRequest(model, Prompt(body, model, tools, truncates ? context : null), settings)
        {
            Tools = tools,
            Schema = body.Find("format") is { } format ? Schema(format) : null,
            Streams = Streams(body),
            ContextTokens = context,
        };
    }

    public override bool Streams(RequestFields body) => body.Find("stream")?.Flag() ?? true;

    public override ModelStay? Stay(RequestFields body) => KeepAliveField.Read(body);

    // Nothing is asked, and the model is to go at once: it need not come for that.
    public override Action<Utf8JsonWriter>? BeforeLoad(RequestFields body, KnownModel known, DateTimeOffset now)
    {
        KeepAliveField.Heed(body, known);
        return !known.IsNamed && IsEmpty(body) && Stay(body) is { Time.Ticks: 0 } ? json => WriteState(json, known.Id, now, "unload") : null;
    }

    // Clients ask for a model to be there before they need it.
    public override Action<Utf8JsonWriter>? AtOnce(RequestFields body, ServedModel model) =>
        IsEmpty(body) ? json => WriteState(json, model.Id, model.LoadedAt, "load") : null;

    public override FrameWriter NewFrames(HttpContext context, FrameTimes times) => new NdjsonFrames(context, times);

    public override AnswerWriter NewWriter(ServedAnswer answer, FrameWriter frames) => new OllamaStream(answer, frames, HasMessages);

    public override void WriteWhole(Utf8JsonWriter json, ServedAnswer answer)
    {
        json.WriteStartObject();
        OllamaJson.WriteHead(json, answer);
        var choice = answer.Choices[0];
        OllamaJson.WriteText(json, HasMessages, choice.TextWithCut, choice.Reasoning, choice.Calls);
        OllamaJson.WriteLogprobs(json, answer, choice.Tokens);
        OllamaJson.WriteEnd(json, answer, HasMessages);
        json.WriteEndObject();
    }

    /// <param name="fits">Tokens that oldest turns are dropped for; null for none.</param>
    protected abstract PromptSource Prompt(RequestFields body, ServedModel model, AnswerTools tools, int? fits);

    protected abstract AnswerTools Tools(RequestFields body, ServedModel model);

    /// <summary>Whether nothing is asked.</summary>
    protected abstract bool IsEmpty(RequestFields body);

    protected static ChatTemplateOptions TemplateOptions(RequestFields body, AnswerTools tools, bool continues) => new()
    {
        Tools = tools.Descriptions(),
        AddsGenerationPrompt = !continues,
        ContinuesLastMessage = continues,
        Variables = Thinking(body.Find("think")),
    };

    private void WriteState(Utf8JsonWriter json, string model, DateTimeOffset time, string state)
    {
        json.WriteStartObject();
        OllamaJson.WriteHead(json, model, time);
        OllamaJson.WriteText(json, HasMessages, "");
        json.WriteBoolean("done", true);
        json.WriteString("done_reason", state);
        json.WriteEndObject();
    }

    public static void RefuseImages(RequestFields fields)
    {
        if (fields.Find("images") is { } images && images.Items(int.MaxValue).Count > 0)
            throw images.Unsupported($"{images.Path}: no model here sees pictures");
    }

    // An empty one is none: some clients always send it.
    private static AnswerSchema? Schema(RequestValue format)
    {
        if (format.IsObject)
            return new AnswerSchema(format.Node().ToJsonString(), false, $"{format.Path}");
        return format.Word("", "json").Length == 0 ? null : new AnswerSchema(AnswerDemand.AnyObject.Schema!, false, $"{format.Path}");
    }

    private static int? Logprobs(RequestFields body)
    {
        var (wanted, top) = (body.Find("logprobs")?.Flag() ?? false, body.Find("top_logprobs"));
        if (!wanted && top is not null && top.Whole(0, 20) > 0)
            throw top.Refused($"{top.Path} needs logprobs to be true");
        return wanted ? (int)(top?.Whole(0, 20) ?? 0) : null;
    }

    // Here 0 is no limit either.
    private static int? Limit(RequestValue? tokens) => tokens?.Whole(-2, long.MaxValue) is > 0 and var most ? (int)Math.Min(int.MaxValue, most) : null;

    // A cap: no model is loaded anew for it. What is above the server's own is cut, and said to be.
    private static int Context(RequestValue? tokens, ServedModel model)
    {
        var most = model.Engine.ContextTokens;
        if (tokens is null)
            return most;
        var wanted = tokens.Whole(1, int.MaxValue);
        if (wanted > most)
            tokens.Ignore();
        return (int)Math.Min(wanted, most);
    }

    private static JsonObject? Thinking(RequestValue? think) => think switch
    {
        null => null,
        { IsText: true } => new JsonObject { ["enable_thinking"] = true, ["reasoning_effort"] = think.Word("low", "medium", "high", "max") },
        _ => new JsonObject { ["enable_thinking"] = think.Flag() },
    };
}
