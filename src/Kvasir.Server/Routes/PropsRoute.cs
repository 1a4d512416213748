using System.Text.Json;
using Kvasir.Server.Framing;
using Kvasir.Server.Hosting;
using Kvasir.Server.Reading;
using Kvasir.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Options;

namespace Kvasir.Server.Routes;

/// <summary><c>/props</c>: what holds here: model, sampling, attention, memory, limits.</summary>
internal sealed class PropsRoute(ServedModels models, IOptions<KvasirOptions> options)
{
    public async Task ShowAsync(HttpContext context)
    {
        var model = await models.FindAsync(context, context.Request.Query["model"]).ConfigureAwait(false);
        await WholeBody.SendAsync(context, json =>
        {
            json.WriteStartObject();
            json.WriteString("version", ServedModel.Version);
            json.WriteString("model", model.Id);
            json.WriteString("chat_template", model.Template?.Source);
            WriteSampling(json, model.Defaults);
            WriteAttention(json, model);
            WriteMemory(json, model.Engine.Plan);
            WriteLimits(json, model);
            json.WriteStartObject("caps");
            json.WriteBoolean("chat", model.Template is not null);
            json.WriteBoolean("tools", model.Format.HasTools);
            json.WriteBoolean("thinking", model.Format.HasReasoning);
            json.WriteBoolean("fim", model.Fill is not null);
            json.WriteBoolean("embeddings", options.Value.Embeddings);
            json.WriteEndObject();
            json.WriteEndObject();
        }).ConfigureAwait(false);
    }

    private static void WriteSampling(Utf8JsonWriter json, SamplingOptions sampling)
    {
        json.WriteStartObject("sampling");
        json.WriteNumber("temperature", sampling.Temperature);
        json.WriteNumber("top_p", sampling.TopP);
        json.WriteNumber("top_k", sampling.TopK);
        json.WriteNumber("min_p", sampling.MinP);
        json.WriteNumber("repetition_penalty", sampling.RepetitionPenalty);
        json.WriteNumber("repetition_window", sampling.RepetitionWindow);
        json.WriteNumber("presence_penalty", sampling.PresencePenalty);
        json.WriteNumber("frequency_penalty", sampling.FrequencyPenalty);
        json.WriteEndObject();
    }

    private void WriteAttention(Utf8JsonWriter json, ServedModel model)
    {
        json.WriteStartObject("attention");
        json.WriteString("policy", model.Engine.Policy.Name);
        json.WriteString("chosen_by", options.Value.Attention == AutoAttention.Name ? "machine" : "options");
        json.WriteString("kv_type", model.Engine.Kv.Name);
        json.WriteEndObject();
    }

    private static void WriteMemory(Utf8JsonWriter json, MemoryPlan plan)
    {
        json.WriteStartObject("memory");
        json.WriteNumber("weight_bytes", plan.WeightBytes);
        json.WriteNumber("kv_bytes_per_token", plan.KvBytesPerToken);
        json.WriteNumber("index_bytes_per_token", plan.IndexBytesPerToken);
        json.WriteNumber("kv_bytes", plan.KvMemoryBytes);
        json.WriteNumber("scratch_bytes", plan.ScratchBytes);
        json.WriteNumber("tokens_that_fit", plan.TokensThatFit);
        json.WriteEndObject();
    }

    private void WriteLimits(Utf8JsonWriter json, ServedModel model)
    {
        var (own, engine) = (options.Value, model.Settings);
        json.WriteStartObject("limits");
        json.WriteNumber("n_ctx", model.Engine.ContextTokens);
        json.WriteNumber("n_ctx_train", model.Model.Config.ContextTokens);
        json.WriteNumber("threads", model.Engine.ThreadCount);
        json.WriteNumber("max_sequences", engine.MaxSequences);
        json.WriteNumber("max_queue", engine.Queue.Sequences);
        json.WriteNumber("max_queue_tokens", engine.Queue.Tokens);
        json.WriteNumber("queue_bytes", engine.Queue.Bytes);
        json.WriteNumber("key_running", engine.MaxSequencesPerClient);
        json.WriteNumber("key_waiting", engine.Queue.SequencesPerClient);
        WriteSeconds(json, "queue_timeout_s", engine.Queue.Timeout);
        WriteSeconds(json, "request_timeout_s", engine.RequestTimeout);
        json.WriteNumber("step_ms", engine.StepMs);
        json.WriteNumber("batch_tokens", engine.BatchTokens);
        json.WriteNumber("max_prefills", engine.MaxPrefills);
        json.WriteNumber("max_n", own.MaxChoices);
        json.WriteNumber("max_body_bytes", own.MaxBodyBytes);
        json.WriteNumber("max_json_depth", RequestBody.MaxDepth);
        json.WriteNumber("keepalive_s", own.KeepAliveSeconds);
        json.WriteNumber("write_timeout_s", own.WriteTimeoutSeconds);
        json.WriteNumber("drain_s", own.DrainSeconds);
        json.WriteEndObject();
    }

    // Null for no limit.
    private static void WriteSeconds(Utf8JsonWriter json, string name, TimeSpan? time)
    {
        if (time is { } limit)
            json.WriteNumber(name, limit.TotalSeconds);
        else
            json.WriteNull(name);
    }
}
