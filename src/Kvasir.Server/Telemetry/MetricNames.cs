namespace Kvasir.Server.Telemetry;

/// <summary>What instruments are called in Prometheus' text, and by which other names boards and gateways that were made for vLLM find them.</summary>
internal static class MetricNames
{
    // Instruments that are there for these boards alone.
    private const string AliasFamily = "vllm.";

    private static readonly Dictionary<string, string> Aliases = new(StringComparer.Ordinal)
    {
        ["kvasir.requests.running"] = "vllm:num_requests_running",
        ["kvasir.requests.waiting"] = "vllm:num_requests_waiting",
        ["kvasir.requests.finished"] = "vllm:request_success",
        ["kvasir.kv.usage"] = "vllm:kv_cache_usage_perc",
        ["kvasir.preemptions"] = "vllm:num_preemptions",
        ["kvasir.prompt_tokens"] = "vllm:prompt_tokens",
        ["kvasir.generation_tokens"] = "vllm:generation_tokens",
        ["gen_ai.server.request.duration"] = "vllm:e2e_request_latency",
        ["gen_ai.server.time_to_first_token"] = "vllm:time_to_first_token",
        ["gen_ai.server.time_per_output_token"] = "vllm:request_time_per_output_token",
        ["kvasir.inter_token_latency"] = "vllm:inter_token_latency",
        ["kvasir.queue_time"] = "vllm:request_queue_time",
        ["kvasir.prefill_time"] = "vllm:request_prefill_time",
        ["kvasir.decode_time"] = "vllm:request_decode_time",
    };

    /// <summary>The instrument's own name, and its alias if it has one.</summary>
    /// <param name="unit">As OpenTelemetry spells it; null for none.</param>
    public static IEnumerable<string> Of(string instrument, string? unit, bool isCounter)
    {
        var own = instrument.StartsWith(AliasFamily, StringComparison.Ordinal) ? $"vllm:{instrument[AliasFamily.Length..]}" : Plain(instrument);
        yield return Suffixed(own, unit, isCounter);
        if (Aliases.TryGetValue(instrument, out var alias))
            yield return Suffixed(alias, unit, isCounter);
    }

    /// <summary>What a label is called under a name.</summary>
    public static string Label(string metric, string label) =>
        !metric.StartsWith("vllm:", StringComparison.Ordinal) ? Plain(label)
        : label switch { "model" => "model_name", "reason" => "finished_reason", _ => Plain(label) };

    private static string Suffixed(string name, string? unit, bool isCounter)
    {
        var word = unit switch { "s" => "_seconds", "By" => "_bytes", _ => "" };
        var full = name.EndsWith(word, StringComparison.Ordinal) ? name : $"{name}{word}";
        return isCounter ? $"{full}_total" : full;
    }

    private static string Plain(string name) => name.Replace('.', '_');
}
