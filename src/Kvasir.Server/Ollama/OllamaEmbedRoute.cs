using System.Text.Json;
using Kvasir.Server.Answers;
using Kvasir.Server.Embeddings;
using Kvasir.Server.Errors;
using Kvasir.Server.Hosting;
using Kvasir.Server.Reading;
using Microsoft.Extensions.Options;

namespace Kvasir.Server.Ollama;

/// <summary><c>POST /api/embed</c>, and <c>/api/embeddings</c>, which is older and takes one text.</summary>
/// <param name="isOlder">Whether it is that.</param>
internal sealed class OllamaEmbedRoute(IOptions<KvasirOptions> options, bool isOlder) : EmbeddingRoute(options)
{
    public override ErrorShape Errors => OllamaErrors.Shape;

    public override ModelStay? Stay(RequestFields body) => KeepAliveField.Read(body);

    public override Action<Utf8JsonWriter>? BeforeLoad(RequestFields body, KnownModel known, DateTimeOffset now)
    {
        KeepAliveField.Heed(body, known);
        return null;
    }

    public override AnswerRequest Read(RequestFields body, ServedModel model)
    {
        body.Find("options");
        return Request(body.Require(isOlder ? "prompt" : "input"), body, model, body.Find("truncate")?.Flag() ?? false);
    }

    public override void WriteWhole(Utf8JsonWriter json, ServedAnswer answer)
    {
        json.WriteStartObject();
        if (isOlder)
        {
            json.WritePropertyName("embedding");
            OpenAiEmbedRoute.WriteNumbers(json, answer.Choices[0].Pool!.Unit());
        }
        else
        {
            json.WriteString("model", answer.Model.Id);
            json.WriteStartArray("embeddings");
            foreach (var choice in answer.Choices)
                OpenAiEmbedRoute.WriteNumbers(json, choice.Pool!.Unit());
            json.WriteEndArray();
            json.WriteNumber("total_duration", OllamaJson.Nanoseconds(answer.ElapsedMs));
            json.WriteNumber("load_duration", OllamaJson.Nanoseconds(answer.LoadMs));
            json.WriteNumber("prompt_eval_count", answer.PromptTokens);
        }

        json.WriteEndObject();
    }
}
