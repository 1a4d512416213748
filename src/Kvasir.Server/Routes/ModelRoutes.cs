using System.Text.Json;
using Kvasir.Server.Framing;
using Kvasir.Server.Errors;
using Kvasir.Server.Hosting;
using Kvasir.Server.Reading;
using Kvasir.Server.Security;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Options;

namespace Kvasir.Server.Routes;

/// <summary><c>/v1/models</c>: what may be named, and whether it is in memory; and routes that bring it there.</summary>
internal sealed class ModelRoutes(ServedModels models, IOptions<KvasirOptions> options)
{
    public Task ListAsync(HttpContext context) => WholeBody.SendAsync(context, json =>
    {
        json.WriteStartObject();
        json.WriteString("object", "list");
        json.WriteStartArray("data");
        foreach (var known in models.Known.Where(known => ServedModels.MayUse(context, known.Id)))
            Write(json, known);
        json.WriteEndArray();
        json.WriteEndObject();
    });

    public Task FindAsync(HttpContext context)
    {
        var known = Find(context, (string?)context.Request.RouteValues["id"]);
        return WholeBody.SendAsync(context, json => Write(json, known));
    }

    /// <summary>Brings a model into memory: <c>{model, wait}</c>.</summary>
    public async Task LoadAsync(HttpContext context)
    {
        var (name, waits) = await ReadAsync(context, static body => (body.Require("model").Text(), body.Find("wait")?.Flag() ?? true)).ConfigureAwait(false);
        var known = Find(context, name);
        if (waits)
            await models.FindAsync(context, name).ConfigureAwait(false);
        else
            _ = models.LoadAsync(known).ContinueWith(static loading => loading.Exception, TaskScheduler.Default);
        await WholeBody.SendAsync(context, json => Write(json, known)).ConfigureAwait(false);
    }

    /// <summary>Takes a model out of memory: <c>{model}</c>.</summary>
    public async Task UnloadAsync(HttpContext context)
    {
        var known = Find(context, await ReadAsync(context, static body => body.Require("model").Text()).ConfigureAwait(false));
        // It stays for all: whoever has a key of his own takes it from the others only if he may say what is in memory.
        if (known.IsNamed && AccessKey.Of(context) is { IsAdmin: false } key)
            throw new RequestException(
                ErrorKind.Forbidden, $"the key '{key.Name}' may not unload {known.Id}, which was named at the start: its line in the key file has no 'admin'");
        if (!models.TryUnload(known) && known.Served is not null)
            throw new RequestException(ErrorKind.ModelUnavailable, $"the model {known.Id} has {known.Users} requests, and stays until they have ended");
        await WholeBody.SendAsync(context, json => Write(json, known)).ConfigureAwait(false);
    }

    private KnownModel Find(HttpContext context, string? name)
    {
        var known = models.Named(name);
        return ServedModels.MayUse(context, known.Id) ? known : throw new RequestException(ErrorKind.Forbidden, $"this key may not use the model {known.Id}");
    }

    private async Task<T> ReadAsync<T>(HttpContext context, Func<RequestFields, T> read)
    {
        using var body = await RequestBody.ReadAsync(context.Request, options.Value.MaxBodyBytes, new IgnoredFields(options.Value.Strict))
            .ConfigureAwait(false);
        var fields = body.Root.Object();
        var result = read(fields);
        fields.IgnoreRest();
        return result;
    }

    private static void Write(Utf8JsonWriter json, KnownModel known)
    {
        json.WriteStartObject();
        json.WriteString("id", known.Id);
        json.WriteString("object", "model");
        json.WriteNumber("created", known.Served?.LoadedAt.ToUnixTimeSeconds() ?? 0);
        json.WriteString("owned_by", "kvasir");
        if (known.Served is { } served)
            json.WriteNumber("max_model_len", served.Engine.ContextTokens);
        json.WriteStartObject("meta");
        if (known.Served is { } model)
        {
            json.WriteNumber("n_ctx_train", model.Model.Config.ContextTokens);
            json.WriteNumber("n_vocab", model.Model.Config.VocabularySize);
            json.WriteNumber("n_params", model.Model.Weights.ParameterCount);
            json.WriteString("kv_type", model.Engine.Kv.Name);
        }

        if (known.Aliases.Count > 0)
        {
            json.WriteStartArray("aliases");
            foreach (var alias in known.Aliases)
                json.WriteStringValue(alias);
            json.WriteEndArray();
        }

        json.WriteNumber("size", known.Served?.Model.Weights.Bytes ?? known.Found.Bytes);
        json.WriteString("status", known.Status switch
        {
            ModelStatus.Loaded => "loaded",
            ModelStatus.Loading => "loading",
            ModelStatus.Failed => "failed",
            _ => "unloaded",
        });
        if (known.Status == ModelStatus.Loading)
        {
            json.WriteNumber("progress", Math.Round(known.Progress, 3));
            json.WriteNumber("waiting", known.Users);
        }

        json.WriteEndObject();
        json.WriteEndObject();
    }
}
