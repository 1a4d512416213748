using System.Globalization;
using System.Text.Json.Nodes;
using Kvasir.Attention;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Text;

namespace Kvasir.Cli.Shared.Remote;

/// <summary>What was typed, as fields of a request: what was not is left to the server.</summary>
internal static class RemoteRequest
{
    // They shape an engine, and the server has its own.
    private static readonly Flag[] OfEngines = [
        .. KvFlags.All, EngineFlags.KvMemory, EngineFlags.Context, EngineFlags.Threads,
        ModelFlags.NoRepack, ModelFlags.WeightsMemory, ModelFlags.KvRank, ModelFlags.SelfDraft, GenerationFlags.Speculate, GenerationFlags.Logprobs,
        KvFileFlags.Load, KvFileFlags.Save];

    /// <summary>As <see cref="Verb.Refusal"/>, where a server is asked.</summary>
    public static string? Refusal(TypedCommand typed) => OfEngines.FirstOrDefault(typed.Has) is { } flag
        ? $"{flag.Name} is for a model that is loaded here; the server of {RemoteFlags.Server.Name} has its own"
        : typed.Has(EngineFlags.Attention) && EngineFlags.IsAuto(typed) ? $"{EngineFlags.Attention.Name} auto is what the server does anyway" : null;

    /// <summary>A request for a conversation's next turn.</summary>
    /// <param name="model">Null for the only one.</param>
    public static JsonObject Chat(TypedCommand typed, string? model, IEnumerable<ChatTurn> turns)
    {
        var body = Body(typed, model);
        body["messages"] = new JsonArray([.. turns.Select(static turn => new JsonObject { ["role"] = turn.Role, ["content"] = turn.Content })]);
        return body;
    }

    /// <summary>A request for a text's continuation.</summary>
    /// <param name="model">Null for the only one.</param>
    public static JsonObject Continuation(TypedCommand typed, string? model, string text)
    {
        var body = Body(typed, model);
        body["prompt"] = text;
        // Where nobody says, this route ends after a few.
        body["max_tokens"] ??= -1;
        return body;
    }

    private static JsonObject Body(TypedCommand typed, string? model)
    {
        var body = new JsonObject { ["stream"] = true, ["stream_options"] = new JsonObject { ["include_usage"] = true }, ["return_progress"] = true };
        if (model is not null)
            body["model"] = model;
        if (typed.Find(GenerationFlags.Stop) is { } stops)
            body["stop"] = new JsonArray([.. stops.Select(static stop => JsonValue.Create(stop))]);
        if (typed.Is(GenerationFlags.IgnoreEnd))
            body["ignore_eos"] = true;
        Add(body, "max_tokens", typed.FindValue(GenerationFlags.MaxTokens));
        Add(body, "temperature", typed.FindValue(SamplingFlags.Temperature));
        Add(body, "top_k", typed.FindValue(SamplingFlags.TopK));
        Add(body, "top_p", typed.FindValue(SamplingFlags.TopP));
        Add(body, "min_p", typed.FindValue(SamplingFlags.MinP));
        Add(body, "repetition_penalty", typed.FindValue(SamplingFlags.RepeatPenalty));
        Add(body, "presence_penalty", typed.FindValue(SamplingFlags.PresencePenalty));
        Add(body, "frequency_penalty", typed.FindValue(SamplingFlags.FrequencyPenalty));
        // The field is signed, and the server reads it back as it was.
        if (typed.FindValue(SamplingFlags.Seed) is { } seed)
            body["seed"] = unchecked((long)seed);
        if (typed.Find(SamplingFlags.LogitBias) is { } biases)
            body["logit_bias"] = new JsonObject(
                biases.Select(static bias => KeyValuePair.Create(bias.Key.ToString(CultureInfo.InvariantCulture), (JsonNode?)bias.Value)));
        AddOwn(body, typed);
        return body;
    }

    private static void AddOwn(JsonObject body, TypedCommand typed)
    {
        var own = new JsonObject();
        if (typed.Has(EngineFlags.Attention) && typed.Get(EngineFlags.Attention) is [AttentionPolicy policy])
            own["attention"] = policy.Name;
        Add(own, "audit", typed.FindValue(EngineFlags.Audit));
        if (own.Count > 0)
            body["kvasir"] = own;
    }

    private static void Add(JsonObject body, string name, double? value)
    {
        if (value is { } known)
            body[name] = known;
    }

    private static void Add(JsonObject body, string name, int? value)
    {
        if (value is { } known)
            body[name] = known;
    }
}
