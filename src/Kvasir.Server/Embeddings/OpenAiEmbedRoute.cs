using System.Buffers.Binary;
using System.Text.Json;
using Kvasir.Server.Answers;
using Kvasir.Server.Errors;
using Kvasir.Server.Hosting;
using Kvasir.Server.OpenAi;
using Kvasir.Server.Reading;
using Microsoft.Extensions.Options;

namespace Kvasir.Server.Embeddings;

/// <summary><c>POST /v1/embeddings</c>.</summary>
internal sealed class OpenAiEmbedRoute(IOptions<KvasirOptions> options) : EmbeddingRoute(options)
{
    public override ErrorShape Errors => OpenAiErrors.Shape;

    public override AnswerRequest Read(RequestFields body, ServedModel model) => Request(body.Require("input"), body, model, cuts: false) with
    {
        IsBase64 = body.Find("encoding_format")?.Word("float", "base64") == "base64",
    };

    public override void WriteWhole(Utf8JsonWriter json, ServedAnswer answer)
    {
        json.WriteStartObject();
        json.WriteString("object", "list");
        json.WriteStartArray("data");
        foreach (var choice in answer.Choices)
        {
            json.WriteStartObject();
            json.WriteString("object", "embedding");
            json.WriteNumber("index", choice.Index);
            json.WritePropertyName("embedding");
            if (answer.Request.IsBase64)
                json.WriteBase64StringValue(Bytes(choice.Pool!.Unit()));
            else
                WriteNumbers(json, choice.Pool!.Unit());
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteString("model", answer.Model.Id);
        json.WriteStartObject("usage");
        json.WriteNumber("prompt_tokens", answer.PromptTokens);
        json.WriteNumber("total_tokens", answer.PromptTokens);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    public static void WriteNumbers(Utf8JsonWriter json, float[] values)
    {
        json.WriteStartArray();
        foreach (var value in values)
            json.WriteNumberValue(value);
        json.WriteEndArray();
    }

    private static byte[] Bytes(float[] values)
    {
        var bytes = new byte[values.Length * sizeof(float)];
        for (var i = 0; i < values.Length; i++)
            BinaryPrimitives.WriteSingleLittleEndian(bytes.AsSpan(i * sizeof(float)), values[i]);
        return bytes;
    }
}
