using System.Text.Json;
using Kvasir.Server.Answers;

namespace Kvasir.Server.OpenAi;

/// <summary>What an answer used and how it went: usage, timings, and what only Kvasir has to say.</summary>
internal static class FiguresJson
{
    public static void WriteUsage(Utf8JsonWriter json, ServedAnswer answer)
    {
        json.WriteStartObject("usage");
        json.WriteNumber("prompt_tokens", answer.PromptTokens);
        json.WriteNumber("completion_tokens", answer.CompletionTokens);
        json.WriteNumber("total_tokens", answer.PromptTokens + answer.CompletionTokens);
        json.WriteStartObject("prompt_tokens_details");
        WriteCacheUse(json, answer);
        json.WriteEndObject();
        json.WriteStartObject("completion_tokens_details");
        json.WriteNumber("reasoning_tokens", answer.ReasoningTokens);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    /// <summary>Of the prompt: what was there, and what is there for the next; nothing where that is not said.</summary>
    public static void WriteCacheUse(Utf8JsonWriter json, ServedAnswer answer)
    {
        if (answer.HidesCacheUse)
            return;
        json.WriteNumber("cached_tokens", answer.ToldCachedTokens);
        json.WriteNumber("cache_write_tokens", answer.ToldCacheWriteTokens);
    }

    /// <summary>In the names of llama-server.</summary>
    public static void WriteTimings(Utf8JsonWriter json, ServedAnswer answer)
    {
        var timings = new AnswerTimings(answer);
        json.WriteStartObject("timings");
        json.WriteNumber("cache_n", timings.CachedTokens);
        WriteStage(json, "prompt", timings.PromptTokens, timings.PromptMs);
        WriteStage(json, "predicted", timings.PredictedTokens, timings.PredictedMs);
        if (timings.Guesses.Count > 0)
        {
            json.WriteNumber("draft_n", timings.Guesses.Count);
            json.WriteNumber("draft_n_accepted", timings.Guesses.Right);
        }

        json.WriteNumber("queue_ms", timings.QueueMs);
        json.WriteNumber("load_ms", timings.LoadMs);
        json.WriteNumber("cache_load_ms", timings.CacheLoadMs);
        json.WriteNumber("recomputed_n", timings.RecomputedRows);
        json.WriteNumber("preempted", timings.Preemptions);
        json.WriteEndObject();
    }

    public static void WriteKvasir(Utf8JsonWriter json, ServedAnswer answer)
    {
        var reads = answer.Choices.Select(static choice => choice.Sequence.Reads())
            .Aggregate(default(LayerReads), static (sum, layer) => sum + layer);
        json.WriteStartObject("kvasir");
        json.WriteString("attention", AnswerHeaders.AttentionOf(answer));
        json.WriteNumber("keys_read_share", Math.Round(reads.KeysReadShare, 6));
        json.WriteString("kv_type", answer.Model.Engine.Kv.Name);
        if (!answer.HidesCacheUse)
            WriteCache(json, answer);
        if (answer.Choices is [var only])
        {
            WriteChoice(json, only);
        }
        else
        {
            json.WriteStartArray("choices");
            foreach (var choice in answer.Choices)
            {
                json.WriteStartObject();
                WriteChoice(json, choice);
                json.WriteEndObject();
            }

            json.WriteEndArray();
        }

        json.WriteEndObject();
    }

    /// <summary>How a choice ended, in OpenAI's words.</summary>
    public static string Finish(Choice choice) => choice.IsCut ? "length" : choice.HasWholeCalls ? "tool_calls" : "stop";

    /// <summary>How a choice ended, in Kvasir's words.</summary>
    public static string FinishWord(Choice choice) => JsonNamingPolicy.SnakeCaseLower.ConvertName(choice.Finish.ToString());

    private static void WriteStage(Utf8JsonWriter json, string name, int tokens, double ms)
    {
        json.WriteNumber($"{name}_n", tokens);
        json.WriteNumber($"{name}_ms", ms);
        json.WriteNumber($"{name}_per_token_ms", tokens > 0 ? Math.Round(ms / tokens, 3) : 0);
        json.WriteNumber($"{name}_per_second", ms > 0 ? Math.Round(tokens / ms * 1000, 3) : 0);
    }

    private static void WriteChoice(Utf8JsonWriter json, Choice choice)
    {
        // A seed that was given as a negative number is told as one.
        json.WriteNumber("seed", unchecked((long)choice.Sequence.Seed));
        json.WriteString("finish", FinishWord(choice));
        if (choice.MatchedStop is { } stop)
            json.WriteString("stop", stop);
        if (choice.Sequence.AuditFigures is { } audit)
            WriteAudit(json, audit);
    }

    // The first prompt's place: others of a request differ where they like.
    private static void WriteCache(Utf8JsonWriter json, ServedAnswer answer)
    {
        json.WriteStartObject("cache");
        json.WriteNumber("tier_ram", answer.ToldCachedTokens - answer.ToldStoredTokens);
        if (answer.ToldStoredTokens > 0)
            json.WriteNumber("tier_disk", answer.ToldStoredTokens);
        if (answer.Choices[0].Sequence.DivergedAt is { } place)
            json.WriteNumber("diverged_at", place);
        else
            json.WriteNull("diverged_at");
        json.WriteEndObject();
    }

    private static void WriteAudit(Utf8JsonWriter json, AuditFigures audit)
    {
        json.WriteStartObject("audit");
        json.WriteNumber("heads", audit.HeadCount);
        if (audit.HeadCount > 0)
        {
            json.WriteNumber("error_mean", audit.MeanError);
            json.WriteNumber("error_p50", audit.P50Error);
            json.WriteNumber("error_p99", audit.P99Error);
            json.WriteNumber("error_max", audit.MaxError);
            json.WriteNumber("mass_kept", audit.MassKept);
            json.WriteNumber("mass_p05", audit.P05MassKept);
        }

        json.WriteEndObject();
    }
}
