using System.Text.Json;
using Kvasir.Server.Hosting;

namespace Kvasir.Server.Routes;

/// <summary>An engine's figures as JSON.</summary>
internal static class FiguresWriter
{
    public static void Write(Utf8JsonWriter json, ServedModel model)
    {
        var figures = model.Engine.Figures;
        json.WriteStartObject();
        json.WriteString("id", model.Id);
        json.WriteString("policy", model.Engine.Policy.Name);
        json.WriteNumber("running", figures.Running);
        json.WriteNumber("waiting", figures.Waiting);
        json.WriteNumber("preempted", figures.Preempted);
        json.WriteNumber("waiting_tokens", figures.WaitingTokens);
        json.WriteNumber("decode_rows", figures.DecodeRows);
        json.WriteNumber("prompt_rows", figures.PromptRows);
        json.WriteNumber("steps", figures.Steps);
        json.WriteNumber("step_ms", Math.Round(figures.StepMs, 3));
        json.WriteNumber("last_step_ms", Math.Round(figures.LastStepMs, 3));
        json.WriteNumber("preemptions", figures.Preemptions);
        json.WriteNumber("recomputed_rows", figures.RecomputedRows);
        json.WriteNumber("late", figures.LateWaiting + figures.LateRunning);
        WriteKv(json, model, figures);
        WritePrefix(json, figures);
        json.WriteEndObject();
    }

    private static void WriteKv(Utf8JsonWriter json, ServedModel model, EngineFigures figures)
    {
        json.WriteStartObject("kv");
        json.WriteNumber("limit_bytes", model.Engine.Plan.KvMemoryBytes);
        json.WriteNumber("sequence_bytes", figures.KvBytesInUse - figures.Prefixes.IdleBytes);
        json.WriteNumber("prefix_bytes", figures.Prefixes.IdleBytes);
        json.WriteNumber("index_bytes", figures.Memory.IndexBytes);
        json.WriteNumber("open_page_bytes", figures.Memory.OpenPageBytes);
        json.WriteNumber("scratch_bytes", figures.Memory.ScratchBytes);
        json.WriteEndObject();
    }

    private static void WritePrefix(Utf8JsonWriter json, EngineFigures figures)
    {
        json.WriteStartObject("prefix");
        json.WriteNumber("tokens", figures.Prefixes.Tokens);
        json.WriteNumber("hit_tokens", figures.Prefixes.HitTokens);
        json.WriteNumber("miss_tokens", figures.Prefixes.MissTokens);
        json.WriteNumber("evicted_columns", figures.Prefixes.EvictedColumns);
        json.WriteNumber("retokenised_prompts", figures.Prefixes.RetokenisedPrompts);
        json.WriteEndObject();
    }
}
