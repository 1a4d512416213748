using System.Text.Json;
using Kvasir.Server.Answers;
using Kvasir.Server.Errors;
using Kvasir.Server.Framing;
using Kvasir.Server.Hosting;
using Kvasir.Server.Security;
using Kvasir.Server.Telemetry;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Options;

namespace Kvasir.Server.Routes;

/// <summary>
/// <c>/slots</c>: sequences that wait or compute, and requests that wait for their model, each with how far it is. A key sees those of its own tenant.
/// </summary>
internal sealed class SlotsRoute(RequestJournal journal, ServedModels models, IOptions<KvasirOptions> options)
{
    public Task ListAsync(HttpContext context)
    {
        // Where none is in memory, whoever comes has the one that he names loaded.
        if (context.Request.Query["fail_on_no_slot"] == "1" && models.InMemory is { Count: > 0 } loaded && loaded.All(IsFull))
            throw new RequestException(ErrorKind.Overloaded, "as many sequences compute as may; what comes now waits");
        return WholeBody.SendAsync(context, json => Write(json, AccessKey.Of(context)));
    }

    /// <param name="viewer">Null sees all.</param>
    public void Write(Utf8JsonWriter json, AccessKey? viewer)
    {
        json.WriteStartArray();
        var id = 0;
        foreach (var record in journal.Open.Where(record => viewer is null || record.Key?.Tenant == viewer.Tenant).OrderBy(static record => record.StartedAt))
        {
            foreach (var choice in record.Answer?.Choices.Where(static choice => choice.Sequence.Finish == FinishReason.None) ?? [])
                Write(json, id++, record, choice);
            if (record.WaitsForModel)
                WriteLoading(json, id++, record, record.Model!);
        }

        json.WriteEndArray();
    }

    private static bool IsFull(ServedModel model) => model.Engine.RunningCount >= model.Settings.MaxSequences || model.Engine.WaitingCount > 0;

    // What it asks is not known before its model is there to read it.
    private static void WriteLoading(Utf8JsonWriter json, int id, RequestRecord record, KnownModel model)
    {
        WriteHead(json, id, record, model.Id, "loading");
        json.WriteString("waits_for", model.IsWarming ? "warming" : "model");
        json.WriteNumber("progress", Math.Round(model.Progress, 3));
        json.WriteNumber("n_prompt", 0);
        json.WriteNumber("n_cached", 0);
        json.WriteNumber("n_processed", 0);
        json.WriteNumber("n_decoded", 0);
        json.WriteNumber("age_ms", Math.Round(record.Elapsed.TotalMilliseconds));
        json.WriteNumber("kv_bytes", 0);
        json.WriteEndObject();
    }

    private static void WriteHead(Utf8JsonWriter json, int id, RequestRecord record, string model, string state)
    {
        json.WriteStartObject();
        json.WriteNumber("id", id);
        json.WriteString("request_id", record.Id);
        json.WriteString("key", record.Key?.Name);
        json.WriteString("model", model);
        json.WriteString("state", state);
    }

    private void Write(Utf8JsonWriter json, int id, RequestRecord record, Choice choice)
    {
        var (answer, sequence) = (record.Answer!, choice.Sequence);
        var place = sequence.Place;
        WriteHead(json, id, record, answer.Model.Id, State(sequence, place));
        json.WriteString("waits_for", place is { WaitsFor: var reason } ? Word(reason) : null);
        if (place is { Position: var position })
            json.WriteNumber("position", position);
        json.WriteNumber("n_ctx", answer.Model.Engine.ContextTokens);
        json.WriteNumber("n_prompt", choice.PromptTokens);
        if (!answer.HidesCacheUse)
            json.WriteNumber("n_cached", sequence.CachedTokens);
        json.WriteNumber("n_processed", sequence.CachedCount);
        json.WriteNumber("n_decoded", sequence.GeneratedCount);
        json.WriteNumber("priority", sequence.Options.Priority);
        json.WriteNumber("age_ms", Math.Round(record.Elapsed.TotalMilliseconds));
        json.WriteNumber("kv_bytes", answer.Model.Engine.Plan.KvBytes(sequence.CachedCount));
        json.WriteString("policy", AnswerHeaders.AttentionOf(answer));
        // Steps go on while it is read: a sum may lack what the last has added.
        var reads = sequence.Reads();
        json.WriteNumber("keys_read_share", Math.Round(reads.KeysReadShare, 6));
        if (options.Value.SlotsText)
        {
            json.WriteString("prompt", answer.Model.Model.Tokenizer.Decode(choice.Prompt.Span));
            json.WriteString("generated", choice.Text);
        }

        json.WriteEndObject();
    }

    private static string State(Sequence sequence, QueuePlace? place) =>
        double.IsNaN(sequence.Timings.PrefillStartMs) ? "queued"
        : place is { IsPreempted: true } ? "preempted"
        : double.IsNaN(sequence.Timings.FirstTokenMs) ? "prefill"
        : "decode";

    private static string Word(WaitReason reason) => reason switch
    {
        WaitReason.Turn => "turn",
        WaitReason.Place => "place",
        WaitReason.ClientPlace => "client_place",
        WaitReason.Prompts => "prompts",
        _ => "memory",
    };
}
