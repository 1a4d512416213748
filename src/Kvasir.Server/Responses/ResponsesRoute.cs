using System.Text.Json;
using System.Text.Json.Nodes;
using Kvasir.Server.Answers;
using Kvasir.Server.Errors;
using Kvasir.Server.Framing;
using Kvasir.Server.Hosting;
using Kvasir.Server.OpenAi;
using Kvasir.Server.Reading;
using Kvasir.Text;
using Microsoft.Extensions.Options;

namespace Kvasir.Server.Responses;

/// <summary><c>POST /v1/responses</c>. Nothing is stored: a request brings its whole conversation along.</summary>
internal sealed class ResponsesRoute(IOptions<KvasirOptions> options) : AnswerRoute
{
    private const string LogprobsIncluded = "message.output_text.logprobs";
    private const int MostIncluded = 64;

    public override ErrorShape Errors => OpenAiErrors.Shape;

    public override AnswerRequest Read(RequestFields body, ServedModel model)
    {
        var limit = SamplingFields.Limit(body.Find("max_output_tokens"), least: 1);
        var settings = SamplingFields.Read(body, model, limit) with { TopLogprobs = Logprobs(body) };
        var tools = ToolFields.ReadFlat(body, model, options.Value.Strict);
        var text = body.Find("text")?.Object();
        var format = text?.Find("format");
        text?.IgnoreRest();
        return new AnswerRequest(model, Prompt(body, model, tools), settings)
        {
            Tools = tools,
            Schema = format is null ? null : FormatFields.ReadFlat(format, options.Value.Strict),
            Streams = Streams(body),
            Repeated = Repeated(body, tools, format),
        };
    }

    /// <summary>The conversation alone, for counting.</summary>
    /// <exception cref="RequestException">It is none, asks for what is not there, or the model has no template.</exception>
    public static ConversationPrompt Prompt(RequestFields body, ServedModel model) => Prompt(body, model, ToolFields.ReadFlat(body, model, isStrict: false));

    public override AnswerWriter NewWriter(ServedAnswer answer, FrameWriter frames) => new ResponseStream(answer, frames);

    // Agents know no other event that ends a response in vain.
    public override Task FailAsync(FrameWriter frames, RequestError error)
    {
        const string Name = "response.failed";
        var json = frames.Begin(Name);
        json.WriteStartObject();
        json.WriteString("type", Name);
        json.WriteNumber("sequence_number", 0);
        json.WritePropertyName("response");
        ResponseBody.WriteRefused(json, error);
        json.WriteEndObject();
        return frames.SendAsync();
    }

    public override void WriteWhole(Utf8JsonWriter json, ServedAnswer answer)
    {
        var body = new ResponseBody(answer);
        body.AddAll(answer.Choices[0]);
        body.WriteEnd(json, answer.Choices[0]);
    }

    private static ConversationPrompt Prompt(RequestFields body, ServedModel model, AnswerTools tools)
    {
        if (model.Template is null)
            throw new RequestException(ErrorKind.Unsupported, $"{model.Id} has no chat template, so it completes text only: POST /v1/completions");
        RefuseMissing(body);
        var reasoning = body.Find("reasoning")?.Object();
        var effort = reasoning?.Find("effort");
        // How it is summed up is told nowhere: all of it is shown.
        reasoning?.Find("summary");
        reasoning?.IgnoreRest();
        return new ConversationPrompt(new InputItems().Read(body.Find("instructions"), body.Require("input")), new ChatTemplateOptions
        {
            Tools = tools.Descriptions(),
            Variables = TemplateVariables.Read(body.Find("chat_template_kwargs"), effort),
        });
    }

    private static void RefuseMissing(RequestFields body)
    {
        body.Refuse("previous_response_id", "no response is stored here; send the whole conversation as input");
        body.Refuse("conversation", "no conversation is stored here; send all of it as input");
        body.Refuse("prompt", "no prompt is stored here; send it as instructions and input");
        if (body.Find("background") is { } background && background.Flag())
            throw background.Unsupported($"{background.Path}: no response is stored here, so none can be fetched later");
        if (body.Find("truncation") is { } truncation && truncation.Word("disabled", "auto") == "auto")
            throw truncation.Unsupported($"{truncation.Path} is 'auto'; what does not fit is refused here, and nothing left out");
        if (body.Find("store") is { } store && store.Flag())
            store.Ignore();
    }

    private static int? Logprobs(RequestFields body)
    {
        var top = (int?)body.Find("top_logprobs")?.Whole(0, 20);
        var isIncluded = false;
        foreach (var item in body.Find("include")?.Items(MostIncluded) ?? [])
        {
            if (item.Text() == LogprobsIncluded)
                isIncluded = true;
            else
                item.Ignore();
        }

        return top > 0 ? top : isIncluded ? 0 : null;
    }

    // Clients read these in every event that has a response.
    private static JsonObject Repeated(RequestFields body, AnswerTools tools, RequestValue? format) => new()
    {
        ["instructions"] = body.Find("instructions")?.Node(),
        ["max_output_tokens"] = body.Find("max_output_tokens")?.Node(),
        ["parallel_tool_calls"] = tools.IsParallel,
        ["reasoning"] = new JsonObject { ["effort"] = body.Find("reasoning")?.Object().Find("effort")?.Node(), ["summary"] = null },
        ["text"] = new JsonObject { ["format"] = format?.Node() ?? new JsonObject { ["type"] = "text" } },
        ["tool_choice"] = body.Find("tool_choice")?.Node() ?? "auto",
        ["tools"] = new JsonArray([.. ToolFields.Flat(body).Select(static tool => tool.Node())]),
    };
}
