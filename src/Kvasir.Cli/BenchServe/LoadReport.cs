using System.Globalization;
using System.Text.Json.Nodes;
using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Cli.Terminal;

namespace Kvasir.Cli.BenchServe;

/// <summary>A run's figures for people and, in vLLM's names, for scripts.</summary>
/// <param name="server">Its address.</param>
/// <param name="model">The name that requests had.</param>
/// <param name="isPartial">Whether it was interrupted.</param>
internal sealed class LoadReport(LoadSummary summary, string server, string model, bool isPartial)
{
    private const int MostFaults = 5;
    private readonly LoadPlan _plan = summary.Plan;

    public string Json()
    {
        var json = new JsonObject
        {
            ["server"] = server,
            ["model_id"] = model,
            ["partial"] = isPartial ? true : null,
            ["num_prompts"] = _plan.Prompts,
            ["turns"] = _plan.Turns,
            ["request_rate"] = double.IsPositiveInfinity(_plan.Rate) ? "inf" : _plan.Rate,
            ["burstiness"] = _plan.Burstiness,
            ["max_concurrency"] = _plan.Concurrency,
            ["seed"] = _plan.Seed,
            ["duration"] = Rounded(summary.Seen.Seconds),
            ["completed"] = summary.Completed.Length,
            ["failed"] = summary.Failed,
            ["total_input_tokens"] = summary.InputTokens,
            ["total_output_tokens"] = summary.OutputTokens,
            ["cached_tokens"] = summary.CachedTokens,
            ["request_throughput"] = Rounded(summary.RequestsPerSecond),
            ["request_goodput"] = summary.Goodput is { } good ? Rounded(good) : null,
            ["output_throughput"] = Rounded(summary.OutputPerSecond),
            ["total_token_throughput"] = Rounded(summary.TokensPerSecond),
            ["max_output_tokens_per_s"] = summary.MostPiecesInSecond,
            ["max_concurrent_requests"] = summary.Seen.MostUnderWay,
            ["keys_read_share"] = summary.KeysReadShare is { } share ? Rounded(share) : null,
        };
        foreach (var (name, _, spread) in Rows())
            Add(json, name, spread);
        if (summary.Faults.Count > 0)
            json["errors"] = new JsonObject(summary.Faults.Select(static fault => KeyValuePair.Create(fault.Fault, (JsonNode?)fault.Count)));
        foreach (var absent in json.Where(static field => field.Value is null).Select(static field => field.Key).ToArray())
            json.Remove(absent);
        return json.ToJsonString(ReportJson.Style());
    }

    public void Write(TextWriter output)
    {
        output.WriteLine($"{server}, model {Printable.Line(model)}{(isPartial ? ", interrupted" : "")}");
        output.WriteLine(Line("load", $"{Requests()}, {Pace()}, seed {_plan.Seed.ToString(CultureInfo.InvariantCulture)}"));
        output.WriteLine(
            Line(
                "completed",
                $"{SizeText.Count(summary.Completed.Length)} of {SizeText.Count(_plan.Prompts * _plan.Turns)} in "
                    + $"{SpeedText.Duration(TimeSpan.FromSeconds(summary.Seen.Seconds))}, at most {SizeText.Count(summary.Seen.MostUnderWay)} at a time"));
        output.WriteLine(
            Line("requests", $"{Number(summary.RequestsPerSecond)}/s{(summary.Goodput is { } good ? $", {Number(good)}/s of them within {Goals()}" : "")}"));
        output.WriteLine(Line("output", $"{SpeedText.Rate(summary.OutputPerSecond)}, at most {SizeText.Count(summary.MostPiecesInSecond)} in a second"));
        output.WriteLine(
            Line(
                "with prompts",
                $"{SpeedText.Rate(summary.TokensPerSecond)}; "
                    + $"{SizeText.TokenCount(summary.InputTokens)} of prompt, {SizeText.Count(summary.CachedTokens)} of them cached"));
        if (summary.KeysReadShare is { } share)
            output.WriteLine(Line("keys read", share.ToString("P1", CultureInfo.InvariantCulture).Replace(" ", "", StringComparison.Ordinal)));
        if (summary.Completed.Length > 0)
            WriteTable(output);
        foreach (var (fault, count) in summary.Faults.Take(MostFaults))
            output.WriteLine($"{SizeText.Count(count)} failed: {fault}");
        if (summary.Faults.Count > MostFaults)
            output.WriteLine($"and {SizeText.Count(summary.Faults.Count - MostFaults)} more reasons");
    }

    private static string Line(string title, string text) => $"  {title,-12}  {text}";

    private void WriteTable(TextWriter output)
    {
        // The median is a percentile that is asked for, as a rule.
        var hasMedian = !_plan.Percentiles.Contains(50);
        string[] heading = [
            "milliseconds", "mean", .. hasMedian ? ["median"] : Array.Empty<string>(), "std",
            .. _plan.Percentiles.Select(static percent => FormattableString.Invariant($"p{percent}"))];
        List<string[]> rows = [heading];
        foreach (var (_, title, spread) in Rows())
        {
            double[] figures = [
                spread.Mean, .. hasMedian ? [spread.Median] : Array.Empty<double>(), spread.Deviation, .. _plan.Percentiles.Select(spread.Percentile)];
            rows.Add([title, .. figures.Select(Number)]);
        }

        var widths = Enumerable.Range(0, heading.Length).Select(i => rows.Max(row => row[i].Length)).ToArray();
        output.WriteLine();
        foreach (var row in rows)
            output.WriteLine($"  {string.Join("  ", row.Select((cell, i) => i == 0 ? cell.PadRight(widths[i]) : cell.PadLeft(widths[i])))}");
    }

    // Name in JSON, title for people. What nothing was seen of is left out.
    private IEnumerable<(string Name, string Title, LoadSpread Spread)> Rows()
    {
        (string Name, string Title, LoadSpread Spread)[] all =
        [
            ("ttft", "time to first token", summary.Spreads[LoadFigure.Ttft]),
            ("tpot", "time per token behind it", summary.Spreads[LoadFigure.Tpot]),
            ("itl", "between pieces", summary.Spreads[LoadFigure.Itl]),
            ("e2el", "whole answer", summary.Spreads[LoadFigure.E2el]),
            ("ttft_with_wait", "first token, wait to send included", _plan.Concurrency is null ? new([]) : summary.FirstFromReady),
            ("cold_ttft", "first token, first turns", _plan.Turns > 1 ? summary.ColdFirst : new([])),
            ("warm_ttft", "first token, later turns", summary.WarmFirst),
            ("queue", "waited at the server", summary.Queue),
            ("prefill", "prompt computed by the server", summary.Prefill),
            ("probe_ttft", "first token, probes", summary.ProbeFirst),
        ];
        return all.Where(static row => row.Spread.Count > 0);
    }

    private void Add(JsonObject json, string name, LoadSpread spread)
    {
        json[$"mean_{name}_ms"] = Rounded(spread.Mean);
        json[$"median_{name}_ms"] = Rounded(spread.Median);
        json[$"std_{name}_ms"] = Rounded(spread.Deviation);
        foreach (var percent in _plan.Percentiles)
            json[FormattableString.Invariant($"p{percent}_{name}_ms")] = Rounded(spread.Percentile(percent));
    }

    private string Requests()
    {
        var prefix = _plan.PrefixTokens > 0 ? $"{SizeText.Count(_plan.PrefixTokens)} shared + " : "";
        var each = $"about {prefix}{SizeText.Count(_plan.InputTokens)} tokens of prompt and {SizeText.Count(_plan.OutputTokens)} of answer";
        return _plan.Turns > 1
            ? $"{SizeText.Count(_plan.Prompts)} conversations of {SizeText.Count(_plan.Turns)} turns, {each} a turn"
            : $"{SizeText.Count(_plan.Prompts)} requests of {each}";
    }

    private string Pace()
    {
        var limit = _plan.Concurrency is { } most ? $", {SizeText.Count(most)} at a time" : "";
        return double.IsPositiveInfinity(_plan.Rate) ? $"all at once{limit}" : $"{Number(_plan.Rate)} begin in a second{limit}";
    }

    private string Goals() =>
        string.Join(", ", _plan.Goals.Select(static goal => FormattableString.Invariant($"{goal.Figure.ToString().ToLowerInvariant()} {goal.Ms} ms")));

    private static double Rounded(double value) => Math.Round(value, 4);

    private static string Number(double value) => value.ToString(value < 9.995 ? "F2" : value < 99.95 ? "F1" : "N0", CultureInfo.InvariantCulture);
}
