using System.Text.Json;
using Kvasir.Server.Answers;

namespace Kvasir.Server.OpenAi;

/// <summary>A completion that is not streamed.</summary>
internal static class CompletionBody
{
    public static void Write(Utf8JsonWriter json, ServedAnswer answer)
    {
        json.WriteStartObject();
        new AnswerName(answer.CreatedAt).Write(json, "cmpl-", "text_completion", answer.Model);
        json.WriteStartArray("choices");
        foreach (var choice in answer.Choices)
        {
            json.WriteStartObject();
            json.WriteNumber("index", choice.Index);
            json.WriteString("text", choice.Text);
            new CompletionLogprobs(answer.Model.Model.Tokenizer, answer.Request.EchoesPrompt).Write(json, choice.Tokens);
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
