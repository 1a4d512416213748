using System.Text.Json;
using System.Text.Json.Nodes;
using Kvasir.Server.Answers;
using Kvasir.Server.Errors;
using Kvasir.Server.Framing;
using Kvasir.Server.Hosting;
using Kvasir.Server.Reading;
using Kvasir.Text;
using Microsoft.Extensions.Options;

namespace Kvasir.Server.OpenAi;

/// <summary><c>POST /v1/chat/completions</c>.</summary>
internal sealed class ChatRoute(IOptions<KvasirOptions> options) : AnswerRoute
{
    public override ErrorShape Errors => OpenAiErrors.Shape;

    public override AnswerRequest Read(RequestFields body, ServedModel model)
    {
        RefuseMissing(body);
        var limit = SamplingFields.Limit(body.Find("max_completion_tokens", "max_tokens"), least: 1);
        var settings = SamplingFields.Read(body, model, limit) with { TopLogprobs = Logprobs(body) };
        var tools = ToolFields.Read(body, model, options.Value.Strict);
        return new AnswerRequest(model, Prompt(body, model, tools), settings)
        {
            Tools = tools,
            Schema = FormatFields.Read(body, options.Value.Strict),
            ChoiceCount = SamplingFields.Choices(body, options.Value.MaxChoices),
            Streams = Streams(body),
            IncludesUsage = StreamFields.IncludesUsage(body),
            IncludesProgress = body.Find("return_progress")?.Flag() ?? false,
            IncludesTimings = body.Find("timings_per_token")?.Flag() ?? false,
        };
    }

    /// <summary>The conversation alone, for routes that count or show it.</summary>
    /// <exception cref="RequestException">It is none, or the model has no template.</exception>
    public static ConversationPrompt Prompt(RequestFields body, ServedModel model) => Prompt(body, model, ToolFields.Read(body, model, isStrict: false));

    public override AnswerWriter NewWriter(ServedAnswer answer, FrameWriter frames) => new ChatStream(answer, (SseFrames)frames);

    public override void WriteWhole(Utf8JsonWriter json, ServedAnswer answer) => ChatBody.Write(json, answer);

    private static ConversationPrompt Prompt(RequestFields body, ServedModel model, AnswerTools tools)
    {
        if (model.Template is null)
            throw new RequestException(ErrorKind.Unsupported, $"{model.Id} has no chat template, so it completes text only: POST /v1/completions");
        var turns = MessageFields.Read(body.Require("messages"));
        var continues = Continues(body, turns);
        return new ConversationPrompt(turns, new ChatTemplateOptions
        {
            AddsGenerationPrompt = body.Find("add_generation_prompt")?.Flag() ?? !continues,
            ContinuesLastMessage = continues,
            Tools = tools.Descriptions(),
            Variables = TemplateVariables.Read(body.Find("chat_template_kwargs"), body.Find("reasoning_effort")),
        });
    }

    private static bool Continues(RequestFields body, IReadOnlyList<ChatTurn> turns)
    {
        if (body.Find("continue_final_message") is not { } continues || !continues.Flag())
            return false;
        if (body.Find("add_generation_prompt")?.Flag() is true)
            throw continues.Refused($"{continues.Path} and add_generation_prompt are both true; an answer either goes on or begins");
        if (turns[^1] is not { Role: "assistant", Content.Length: > 0 })
            throw continues.Refused($"{continues.Path} is true, and the last message is not an assistant's text");
        return true;
    }

    private static void RefuseMissing(RequestFields body)
    {
        body.Refuse("functions", "functions were replaced by tools");
        body.Refuse("function_call", "function_call was replaced by tool_choice");
        body.Refuse("audio", "no model here speaks");
        // Agents send an empty one whether they want a search or not.
        if (body.Find("web_search_options") is { } search)
        {
            if (search.Node() is not JsonObject { Count: 0 })
                throw search.Unsupported($"{search.Path}: nothing is searched for here");
            search.Ignore();
        }

        if (body.Find("modalities") is { } modalities && modalities.Items(8).FirstOrDefault(static item => item.Text() != "text") is { } other)
            throw other.Unsupported($"{other.Path} is '{RequestValue.Short(other.Text())}'; only text is written here");
    }

    private static int? Logprobs(RequestFields body)
    {
        var (wanted, top) = (body.Find("logprobs")?.Flag() ?? false, body.Find("top_logprobs"));
        if (!wanted && top is not null && top.Whole(0, 20) > 0)
            throw top.Refused($"{top.Path} needs logprobs to be true");
        return wanted ? (int)(top?.Whole(0, 20) ?? 0) : null;
    }
}
