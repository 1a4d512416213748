using System.Text.Json;
using Kvasir.Server.Answers;

namespace Kvasir.Server.OpenAi;

/// <summary>A chat's answer that is not streamed.</summary>
internal static class ChatBody
{
    public static void Write(Utf8JsonWriter json, ServedAnswer answer)
    {
        json.WriteStartObject();
        new AnswerName(answer.CreatedAt).Write(json, "chatcmpl-", "chat.completion", answer.Model);
        json.WriteStartArray("choices");
        foreach (var choice in answer.Choices)
        {
            json.WriteStartObject();
            json.WriteNumber("index", choice.Index);
            json.WriteStartObject("message");
            json.WriteString("role", "assistant");
            json.WriteString("content", choice.Calls.Count > 0 && choice.Text.Length == 0 ? null : choice.Text);
            json.WriteNull("refusal");
            if (choice.Reasoning.Length > 0)
                json.WriteString("reasoning_content", choice.Reasoning);
            ChatCalls.Write(json, choice.Calls);
            json.WriteEndObject();
            ChatLogprobs.Write(json, answer.Model.Model.Tokenizer, choice.Tokens);
            json.WriteString("finish_reason", FiguresJson.Finish(choice));
            json.WriteEndObject();
        }

        json.WriteEndArray();
        FiguresJson.WriteUsage(json, answer);
        FiguresJson.WriteTimings(json, answer);
        FiguresJson.WriteKvasir(json, answer);
        json.WriteEndObject();
    }
}
