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

namespace Kvasir.Server.Anthropic;

/// <summary><c>POST /v1/messages</c>.</summary>
internal sealed class MessagesRoute(IOptions<KvasirOptions> options) : AnswerRoute
{
    public override ErrorShape Errors => AnthropicErrors.Shape;

    public override AnswerRequest Read(RequestFields body, ServedModel model)
    {
        var limit = (int)Math.Min(int.MaxValue, body.Require("max_tokens").Whole(1, long.MaxValue));
        var settings = SamplingFields.Read(body, model, limit);
        if (body.Find("stop_sequences") is { } stops)
            settings = settings with { Stop = SamplingFields.Stops(stops) };
        var tools = MessageTools.Read(body, model, options.Value.Strict);
        return new AnswerRequest(model, Prompt(body, model, tools), settings)
        {
            Tools = tools,
            Schema = Schema(body),
            ReasoningTokens = body.Find("thinking")?.Object() is { } thinking ? (int?)thinking.Find("budget_tokens")?.Whole(1, int.MaxValue) : null,
            Streams = Streams(body),
        };
    }

    /// <summary>The conversation alone, for counting.</summary>
    /// <exception cref="RequestException">It is none, asks for what is not there, or the model has no template.</exception>
    public ConversationPrompt Prompt(RequestFields body, ServedModel model) => Prompt(body, model, MessageTools.Read(body, model, isStrict: false));

    public override AnswerWriter NewWriter(ServedAnswer answer, FrameWriter frames) => new MessageStream(answer, frames);

    public override void WriteWhole(Utf8JsonWriter json, ServedAnswer answer) => MessageJson.WriteWhole(json, answer);

    private ConversationPrompt Prompt(RequestFields body, ServedModel model, AnswerTools tools)
    {
        if (model.Template is null)
            throw new RequestException(ErrorKind.Unsupported, $"{model.Id} has no chat template, so it completes text only: POST /v1/completions");
        var points = new CachePoints();
        points.ReadTools(body.Find("tools"));
        var turns = new BlockFields(options.Value.KeepBillingHeader, points).Read(body.Find("system"), body.Require("messages"));
        points.Read(body, turns.Count - 1, null);
        // An answer that the client has begun goes on.
        var continues = turns[^1] is { Role: "assistant", Content.Length: > 0, ToolCalls: null };
        return new ConversationPrompt(turns, new ChatTemplateOptions
        {
            AddsGenerationPrompt = !continues,
            ContinuesLastMessage = continues,
            Tools = tools.Descriptions(),
            Variables = Variables(body),
        })
        { Points = points.All };
    }

    private static AnswerSchema? Schema(RequestFields body)
    {
        if (body.Find("output_config")?.Object().Find("format") is not { } given)
            return null;
        var format = given.Object();
        format.Require("type").Word("json_schema");
        var schema = format.Require("schema");
        schema.Object();
        format.IgnoreRest();
        return new AnswerSchema(schema.Node().ToJsonString(), false, $"{schema.Path}");
    }

    private static JsonObject? Variables(RequestFields body)
    {
        var variables = new JsonObject();
        if (body.Find("thinking")?.Object() is { } thinking)
        {
            var kind = thinking.Require("type").Word("enabled", "disabled", "adaptive");
            if (kind != "adaptive")
                variables["enable_thinking"] = kind == "enabled";
            thinking.Find("budget_tokens");
            thinking.IgnoreRest();
        }

        if (body.Find("output_config")?.Object() is { } output)
        {
            output.Find("format");
            if (output.Find("effort")?.Word("low", "medium", "high", "xhigh", "max") is { } effort)
                variables["reasoning_effort"] = effort;
            output.IgnoreRest();
        }

        return variables.Count > 0 ? variables : null;
    }
}
