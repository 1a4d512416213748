using System.Text.Json;
using Kvasir.Server.Framing;
using Kvasir.Server.Errors;
using Kvasir.Server.Hosting;
using Microsoft.AspNetCore.Http;

namespace Kvasir.Server.Routes;

/// <summary><c>/v1/models</c>: what may be named.</summary>
internal sealed class ModelRoutes(ServedModels models)
{
    public Task ListAsync(HttpContext context) => WholeBody.SendAsync(context, json =>
    {
        json.WriteStartObject();
        json.WriteString("object", "list");
        json.WriteStartArray("data");
        if (models.ReadyFor(context) is { } model)
            Write(json, model);
        json.WriteEndArray();
        json.WriteEndObject();
    });

    public async Task FindAsync(HttpContext context)
    {
        var model = await models.FindAsync((string?)context.Request.RouteValues["id"], context.RequestAborted).ConfigureAwait(false);
        ServedModels.Require(context, model);
        await WholeBody.SendAsync(context, json => Write(json, model)).ConfigureAwait(false);
    }

    private static void Write(Utf8JsonWriter json, ServedModel model)
    {
        json.WriteStartObject();
        json.WriteString("id", model.Id);
        json.WriteString("object", "model");
        json.WriteNumber("created", model.LoadedAt.ToUnixTimeSeconds());
        json.WriteString("owned_by", "kvasir");
        json.WriteNumber("max_model_len", model.Engine.ContextTokens);
        json.WriteStartObject("meta");
        json.WriteNumber("n_ctx_train", model.Model.Config.ContextTokens);
        json.WriteNumber("n_vocab", model.Model.Config.VocabularySize);
        json.WriteNumber("size", model.Model.Weights.Bytes);
        json.WriteString("kv_type", model.Engine.Kv.Name);
        json.WriteString("status", "loaded");
        json.WriteEndObject();
        json.WriteEndObject();
    }
}
