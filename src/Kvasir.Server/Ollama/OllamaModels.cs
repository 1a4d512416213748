using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Kvasir.Server.Framing;
using Kvasir.Server.Hosting;
using Kvasir.Server.Reading;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Options;

namespace Kvasir.Server.Ollama;

/// <summary>What there is, as Ollama's clients list it.</summary>
internal sealed class OllamaModels(ServedModels models, RequestReader reader, IOptions<KvasirOptions> options)
{
    // Clients refuse a version that is no number, or too old for what they send.
    private const string OllamaVersion = "0.18.0";
    // Models that were named when the server started stay.
    private const string Never = "2318-01-01T00:00:00Z";

    public static Task VersionAsync(HttpContext context) => WholeBody.SendAsync(context, static json =>
    {
        json.WriteStartObject();
        json.WriteString("version", OllamaVersion);
        json.WriteString("kvasir", ServedModel.Version);
        json.WriteEndObject();
    });

    public Task TagsAsync(HttpContext context) => ListAsync(context, (json, model) =>
    {
        json.WriteString("modified_at", OllamaJson.Time(model.LoadedAt));
        WriteCapabilities(json, model);
    });

    public Task RunningAsync(HttpContext context) => ListAsync(context, models.Known.Where(static known => known.Served is not null), static (json, model) =>
    {
        json.WriteString("expires_at", model.Known.Until is { } until ? OllamaJson.Time(until) : Never);
        json.WriteNumber("size_vram", 0);
        json.WriteNumber("context_length", model.Engine.ContextTokens);
        json.WriteStartObject("kvasir");
        json.WriteNumber("kv_bytes", model.Engine.KvBytesInUse);
        json.WriteNumber("kv_limit", model.Engine.Plan.KvMemoryBytes);
        json.WriteNumber("running", model.Engine.RunningCount);
        json.WriteNumber("waiting", model.Engine.WaitingCount);
        json.WriteString("policy", model.Engine.Policy.Name);
        json.WriteEndObject();
    });

    public async Task ShowAsync(HttpContext context)
    {
        var model = await reader.ReadAsync(context, Shown, alias: "name").ConfigureAwait(false);
        await WholeBody.SendAsync(context, json =>
        {
            json.WriteStartObject();
            json.WriteString("modelfile", "");
            json.WriteString("parameters", Parameters(model.Defaults));
            json.WriteString("template", model.Template?.Source ?? "");
            WriteDetails(json, model);
            WriteModelInfo(json, model);
            WriteCapabilities(json, model);
            json.WriteString("modified_at", OllamaJson.Time(model.LoadedAt));
            json.WriteEndObject();
        }).ConfigureAwait(false);
    }

    private static ServedModel Shown(RequestFields body, ServedModel model)
    {
        // All that there is to show is shown.
        body.Find("verbose");
        body.Find("name");
        return model;
    }

    private Task ListAsync(HttpContext context, Action<Utf8JsonWriter, ServedModel> more) => ListAsync(context, models.Known, more);

    private static Task ListAsync(HttpContext context, IEnumerable<KnownModel> listed, Action<Utf8JsonWriter, ServedModel> more) =>
        WholeBody.SendAsync(context, json =>
    {
        json.WriteStartObject();
        json.WriteStartArray("models");
        foreach (var known in listed.Where(known => ServedModels.MayUse(context, known.Id)))
        {
            json.WriteStartObject();
            json.WriteString("name", known.Id);
            json.WriteString("model", known.Id);
            json.WriteNumber("size", known.Served?.Model.Weights.Bytes ?? known.Found.Bytes);
            json.WriteString("digest", Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{known.Id}|{known.Served?.Fingerprint}"))));
            if (known.Served is { } model)
            {
                WriteDetails(json, model);
                more(json, model);
            }
            else
            {
                // It was not looked into; clients read these whatever they hold. Text goes on with every model.
                json.WriteString("modified_at", OllamaJson.Time(new DateTimeOffset(File.GetLastWriteTimeUtc(known.Found.Path))));
                WriteDetails(json, "", "", "");
                json.WriteStartArray("capabilities");
                json.WriteStringValue("completion");
                json.WriteEndArray();
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    });

    private static void WriteDetails(Utf8JsonWriter json, ServedModel model) => WriteDetails(
        json, model.Model.Config.Architecture, Shortened(model.Model.Weights.ParameterCount), $"{model.Model.Weights.Layers[0].Query.Type}");

    private static void WriteDetails(Utf8JsonWriter json, string family, string size, string quantization)
    {
        json.WriteStartObject("details");
        json.WriteString("parent_model", "");
        json.WriteString("format", "gguf");
        json.WriteString("family", family);
        json.WriteStartArray("families");
        if (family.Length > 0)
            json.WriteStringValue(family);
        json.WriteEndArray();
        json.WriteString("parameter_size", size);
        json.WriteString("quantization_level", quantization);
        json.WriteEndObject();
    }

    private static string Shortened(long count) => count switch
    {
        >= 1_000_000_000 => string.Create(CultureInfo.InvariantCulture, $"{count / 1e9:F1}B"),
        >= 1_000_000 => string.Create(CultureInfo.InvariantCulture, $"{count / 1e6:F1}M"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{count / 1e3:F1}K"),
    };

    private static void WriteModelInfo(Utf8JsonWriter json, ServedModel model)
    {
        var config = model.Model.Config;
        json.WriteStartObject("model_info");
        json.WriteString("general.architecture", config.Architecture);
        json.WriteString("general.basename", config.Name);
        json.WriteNumber("general.parameter_count", model.Model.Weights.ParameterCount);
        json.WriteNumber($"{config.Architecture}.context_length", model.Engine.ContextTokens);
        json.WriteNumber($"{config.Architecture}.embedding_length", config.Width);
        json.WriteNumber($"{config.Architecture}.block_count", config.LayerCount);
        json.WriteNumber($"{config.Architecture}.attention.head_count", config.HeadCount);
        json.WriteNumber($"{config.Architecture}.attention.head_count_kv", config.KvHeadCount);
        json.WriteEndObject();
    }

    // As Ollama's files of models say it, which clients show.
    private static string Parameters(SamplingOptions sampling) => string.Create(
        CultureInfo.InvariantCulture,
        $"temperature {sampling.Temperature}\ntop_k {sampling.TopK}\ntop_p {sampling.TopP}\nmin_p {sampling.MinP}\n"
            + $"repeat_penalty {sampling.RepetitionPenalty}");

    private void WriteCapabilities(Utf8JsonWriter json, ServedModel model)
    {
        json.WriteStartArray("capabilities");
        json.WriteStringValue("completion");
        if (model.Format.HasTools)
            json.WriteStringValue("tools");
        if (model.Format.HasReasoning)
            json.WriteStringValue("thinking");
        if (model.Fill is not null)
            json.WriteStringValue("insert");
        if (options.Value.Embeddings)
            json.WriteStringValue("embedding");
        json.WriteEndArray();
    }
}
