using System.Text.Json;
using Kvasir.Server.Answers;
using Kvasir.Server.Errors;
using Kvasir.Server.Framing;
using Kvasir.Server.Hosting;
using Kvasir.Server.OpenAi;
using Kvasir.Server.Reading;
using Kvasir.Server.Security;
using Microsoft.AspNetCore.Http;

namespace Kvasir.Server.Routes;

/// <summary>
/// <c>/kvasir/prefixes</c>: prompts whose rows stay in memory for the requests of a tenant, or of all. Whoever may pin them names none of another's, nor sees
/// that there are any.
/// </summary>
internal sealed class PrefixRoutes(RequestReader reader, RequestGate gate, PromptEncoder encoder, PinnedPrompts pinned, TimeProvider clock)
{
    private const int MostNameBytes = 256;
    private const long MostSeconds = 24 * 24 * 3600;

    public Task ListAsync(HttpContext context) => WholeBody.SendAsync(context, json =>
    {
        json.WriteStartObject();
        json.WriteString("object", "list");
        json.WriteStartArray("data");
        foreach (var one in pinned.Of(AccessKey.Of(context)?.Tenant).Where(one => ServedModels.MayUse(context, one.Model.Id)))
            Write(json, one);
        json.WriteEndArray();
        json.WriteEndObject();
    });

    /// <summary>
    /// Computes a prompt, or finds it, and pins it: <c>{model, prompt or messages, tools, name, ttl_s, shared, cache_salt, kvasir: {attention}}</c>.
    /// </summary>
    public async Task PinAsync(HttpContext context)
    {
        RequireAdmin(context);
        using var visit = gate.Enter();
        var (one, source, options) = await reader.ReadAsync(context, (body, model) =>
        {
            var asked = OwnFields.Options(body, new GenerationOptions { MaxTokens = 1 });
            return (New(context, body, model), TokenRoutes.Prompt(body, model), asked);
        }).ConfigureAwait(false);
        options = AccessKey.Of(context)?.Own(options, askedPriority: null) ?? options;
        var prompt = await encoder.EncodeAsync(source, one.Model, OpenAiErrors.Shape, context.RequestAborted).ConfigureAwait(false);
        var sequence = new Sequence(prompt, options) { Pin = one.Pin };
        try
        {
            using var leaving = context.RequestAborted.Register(sequence.Cancel);
            await one.Model.Loop.SubmitAsync(sequence).ConfigureAwait(false);
            await foreach (var _ in sequence.ReadAllAsync(context.RequestAborted).ConfigureAwait(false))
            {
            }

            if (!pinned.TryAdd(one))
                throw new RequestException(ErrorKind.Overloaded, "as many prompts are pinned as may be");
        }
        catch
        {
            sequence.Cancel();
            one.Pin.Release();
            throw;
        }

        await WholeBody.SendAsync(context, json => Write(json, one)).ConfigureAwait(false);
    }

    /// <summary>Lets one go: its rows stay as long as nobody else needs the memory.</summary>
    public Task UnpinAsync(HttpContext context)
    {
        RequireAdmin(context);
        var id = (string?)context.Request.RouteValues["id"];
        var one = pinned.Of(AccessKey.Of(context)?.Tenant).FirstOrDefault(one => one.Id == id)
            ?? throw new RequestException(ErrorKind.PrefixNotFound, $"no prompt is pinned as '{id}'");
        one.Pin.Release();
        return WholeBody.SendAsync(context, json =>
        {
            json.WriteStartObject();
            json.WriteString("id", one.Id);
            json.WriteString("object", "prefix");
            json.WriteBoolean("deleted", true);
            json.WriteEndObject();
        });
    }

    private static void RequireAdmin(HttpContext context)
    {
        if (AccessKey.Of(context) is { IsAdmin: false } key)
            throw new RequestException(ErrorKind.Forbidden, $"the key '{key.Name}' may not say what is pinned: its line in the key file has no 'admin'");
    }

    private PinnedPrompt New(HttpContext context, RequestFields body, ServedModel model)
    {
        var isShared = body.Find("shared")?.Flag() ?? false;
        if (isShared && body.Find("cache_salt") is { } salt)
            throw salt.Refused($"{salt.Path}: a prompt that is shared by all tenants has no salt");
        var lifetime = body.Find("ttl_s")?.Whole(1, MostSeconds);
        var pin = new PrefixPin(lifetime is { } seconds ? TimeSpan.FromSeconds(seconds) : null) { IsCommon = isShared };
        return new PinnedPrompt(
            $"prefix_{Guid.NewGuid():N}", body.Find("name")?.ShortText(MostNameBytes), AccessKey.Of(context)?.Tenant, model, pin, clock.GetUtcNow());
    }

    private static void Write(Utf8JsonWriter json, PinnedPrompt one)
    {
        json.WriteStartObject();
        json.WriteString("id", one.Id);
        json.WriteString("object", "prefix");
        json.WriteString("name", one.Name);
        json.WriteString("model", one.Model.Id);
        json.WriteNumber("tokens", one.Pin.TokenCount);
        json.WriteNumber("kv_bytes", one.Pin.TokenCount * one.Model.Engine.Plan.KvBytesPerToken);
        json.WriteBoolean("shared", one.Pin.IsCommon);
        json.WriteNumber("created", one.CreatedAt.ToUnixTimeSeconds());
        if (one.Pin.Until is { } until)
            json.WriteNumber("expires", until.ToUnixTimeSeconds());
        else
            json.WriteNull("expires");
        json.WriteEndObject();
    }
}
