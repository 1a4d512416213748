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
    private const int MostTools = 1024;

    public override ErrorShape Errors => AnthropicErrors.Shape;

    public override AnswerRequest Read(RequestFields body, ServedModel model)
    {
        var limit = (int)Math.Min(int.MaxValue, body.Require("max_tokens").Whole(1, long.MaxValue));
        var settings = SamplingFields.Read(body, model, limit);
        if (body.Find("stop_sequences") is { } stops)
            settings = settings with { Stop = SamplingFields.Stops(stops) };
        return new AnswerRequest(model, Prompt(body, model), settings) { Streams = body.Find("stream")?.Flag() ?? false };
    }

    /// <summary>The conversation alone, for counting.</summary>
    /// <exception cref="RequestException">It is none, asks for what is not there, or the model has no template.</exception>
    public ConversationPrompt Prompt(RequestFields body, ServedModel model)
    {
        if (model.Template is null)
            throw new RequestException(ErrorKind.Unsupported, $"{model.Id} has no chat template, so it completes text only: POST /v1/completions");
        RefuseMissing(body);
        var turns = new BlockFields(options.Value.KeepBillingHeader).Read(body.Find("system"), body.Require("messages"));
        // An answer that the client has begun goes on.
        var continues = turns[^1] is { Role: "assistant", Content.Length: > 0, ToolCalls: null };
        return new ConversationPrompt(turns, new ChatTemplateOptions
        {
            AddsGenerationPrompt = !continues,
            ContinuesLastMessage = continues,
            Variables = Variables(body),
        });
    }

    public override AnswerWriter NewWriter(ServedAnswer answer, FrameWriter frames) => new MessageStream(answer, frames);

    public override void WriteWhole(Utf8JsonWriter json, ServedAnswer answer) => MessageJson.WriteWhole(json, answer);

    private static void RefuseMissing(RequestFields body)
    {
        if (body.Find("tools") is { } tools && tools.Items(MostTools).FirstOrDefault(IsFunction) is { } function)
            throw function.Unsupported($"{function.Path} is a function; this server does not support tools");
        var choice = body.Find("tool_choice")?.Object().Require("type");
        if (choice?.Word("auto", "any", "tool", "none") is "any" or "tool")
            throw choice.Unsupported($"{choice.Path} is '{choice.Text()}'; this server does not support tools");
        if (body.Find("output_config")?.Object().Find("format") is { } format)
            throw format.Unsupported($"{format.Path}: only text is written here");
    }

    // What Anthropic's own servers do is nobody's here.
    private static bool IsFunction(RequestValue tool)
    {
        if (tool.Object().Find("type")?.Text() is null or "custom")
            return true;
        tool.Ignore();
        return false;
    }

    private static JsonObject? Variables(RequestFields body)
    {
        var variables = new JsonObject();
        if (body.Find("thinking")?.Object() is { } thinking)
        {
            var kind = thinking.Require("type").Word("enabled", "disabled", "adaptive");
            if (kind != "adaptive")
                variables["enable_thinking"] = kind == "enabled";
            thinking.IgnoreRest();
        }

        if (body.Find("output_config")?.Object() is { } output)
        {
            if (output.Find("effort")?.Word("low", "medium", "high", "xhigh", "max") is { } effort)
                variables["reasoning_effort"] = effort;
            output.IgnoreRest();
        }

        return variables.Count > 0 ? variables : null;
    }
}
