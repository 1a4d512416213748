using System.Diagnostics.Metrics;
using Kvasir.Server.Answers;

namespace Kvasir.Server.Telemetry;

/// <summary>
/// What requests come to, as instruments. Labels come from sets that requests cannot add to: routes, models, causes, policies of the catalogue.
/// </summary>
internal sealed class RequestMeter
{
    /// <summary>Of the meter, and of the source of traces.</summary>
    public const string Name = "Kvasir.Server";

    private const string Seconds = "s";
    private static readonly double[] Times = [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 320, 600];
    private static readonly double[] Durations =
        [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92, 163.84, 327.68, 655.36];
    private static readonly double[] TokenTimes = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5];
    private static readonly long[] TokenCounts = [1, 4, 16, 64, 256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576];
    private readonly Counter<long> _requests;
    private readonly Counter<long> _cancelled;
    private readonly Counter<long> _rejected;
    private readonly Counter<long> _slowReaders;
    private readonly Counter<long> _retries;
    private readonly Counter<long> _finished;
    private readonly Counter<long> _promptTokens;
    private readonly Counter<long> _generatedTokens;
    private readonly Counter<long> _loads;
    private readonly Counter<long> _rowsRead;
    private readonly Counter<long> _rowsInSight;
    private readonly Histogram<double> _duration;
    private readonly Histogram<double> _firstToken;
    private readonly Histogram<double> _perToken;
    private readonly Histogram<double> _between;
    private readonly Histogram<double> _queue;
    private readonly Histogram<double> _prefill;
    private readonly Histogram<double> _decode;
    private readonly Histogram<double> _index;
    private readonly Histogram<long> _usage;

    public RequestMeter(IMeterFactory meters)
    {
        var meter = meters.Create(Name);
        _requests = meter.CreateCounter<long>("kvasir.http.requests", null, "Requests that ended, by route and status; 499 where the client went away");
        _cancelled = meter.CreateCounter<long>("kvasir.requests.cancelled", null, "Requests whose client went away, by how far they were");
        _rejected = meter.CreateCounter<long>("kvasir.rejected", null, "Requests that were refused or failed, by cause");
        _slowReaders = meter.CreateCounter<long>("kvasir.slow_reader_aborts", null, "Connections that were closed because the client took nothing");
        _retries = meter.CreateCounter<long>("kvasir.client_retries", null, "Requests that a client sent again: a sign that it gives up too early");
        _finished = meter.CreateCounter<long>("kvasir.requests.finished", null, "Choices that ended, by how");
        _promptTokens = meter.CreateCounter<long>("kvasir.prompt_tokens", null, "Tokens of prompts, cached ones among them");
        _generatedTokens = meter.CreateCounter<long>("kvasir.generation_tokens", null, "Tokens of answers");
        _loads = meter.CreateCounter<long>("kvasir.model_loads", null, "Models that were loaded, or could not be");
        _rowsRead = meter.CreateCounter<long>("kvasir.attention.rows_read", null, "Keys that generated tokens read, over layers and heads");
        _rowsInSight = meter.CreateCounter<long>("kvasir.attention.candidates", null, "Keys that dense attention would have read in their place");
        _duration = Histogram(meter, "gen_ai.server.request.duration", "From a request's arrival to its end", Durations);
        _firstToken = Histogram(meter, "gen_ai.server.time_to_first_token", "From a request's arrival to its first token", Times);
        _perToken = Histogram(meter, "gen_ai.server.time_per_output_token", "Mean time of a token behind the first, of each choice", TokenTimes);
        _between = Histogram(meter, "kvasir.inter_token_latency", "Between pieces of an answer", TokenTimes);
        _queue = Histogram(meter, "kvasir.queue_time", "From a request's submission to the first row of its prompt", Times);
        _prefill = Histogram(meter, "kvasir.prefill_time", "From there to the first token", Times);
        _decode = Histogram(meter, "kvasir.decode_time", "From there to the end", Durations);
        _index = Histogram(meter, "kvasir.index_rebuild", "Time in which the index of a prompt was built behind its first token", Times);
        _usage = meter.CreateHistogram(
            "gen_ai.client.token.usage", "{token}", "Tokens of a request", null, new InstrumentAdvice<long> { HistogramBucketBoundaries = TokenCounts });
    }

    /// <summary>A request has ended, whatever became of it.</summary>
    public void Count(RequestRecord record, int retries)
    {
        _requests.Add(1, Tag("route", record.Route), Tag("code", record.Status));
        if (retries > 0)
            _retries.Add(1);
        if (record.IsSlowReader)
            _slowReaders.Add(1);
        if (record.IsGone)
            _cancelled.Add(1, Tag("phase", Phase(record.Answer)));
        else if (record.Error is { } error)
            _rejected.Add(1, Tag("reason", error.Kind.Code));
        if (record.Answer is { } answer)
            Count(record, answer);
    }

    /// <summary>A piece of an answer was read.</summary>
    /// <param name="tokens">Generated since the last.</param>
    /// <param name="sinceLast">Null for a choice's first.</param>
    public void CountPiece(string model, long tokens, TimeSpan? sinceLast)
    {
        _generatedTokens.Add(tokens, Tag("model", model));
        if (sinceLast is { } time)
            _between.Record(time.TotalSeconds, Tag("model", model));
    }

    /// <param name="outcome">loaded or failed.</param>
    public void CountLoad(string outcome) => _loads.Add(1, Tag("outcome", outcome));

    /// <summary>How far an answer is.</summary>
    public static string Phase(ServedAnswer? answer)
    {
        if (answer is null)
            return "reading";
        var timings = answer.Choices[0].Sequence.Timings;
        return !double.IsNaN(timings.FirstTokenMs) ? "decode" : !double.IsNaN(timings.PrefillStartMs) ? "prefill" : "queued";
    }

    private void Count(RequestRecord record, ServedAnswer answer)
    {
        var model = Tag("model", answer.Model.Id);
        var timings = answer.Choices[0].Sequence.Timings;
        _duration.Record(record.Elapsed.TotalSeconds, model);
        RecordMs(_firstToken, record.UntilSubmission.TotalMilliseconds + timings.FirstTokenMs, model);
        RecordMs(_queue, timings.PrefillStartMs, model);
        RecordMs(_prefill, timings.PrefillMs, model);
        _promptTokens.Add(answer.PromptTokens, model);
        _usage.Record(answer.PromptTokens, model, Tag("gen_ai.token.type", "input"));
        _usage.Record(answer.CompletionTokens, model, Tag("gen_ai.token.type", "output"));
        foreach (var choice in answer.Choices)
        {
            _generatedTokens.Add(choice.CountNew(), model);
            Count(choice, model, (choice.Sequence.Options.Attention ?? answer.Model.Engine.Policy).Spec.Entry.Name);
        }
    }

    private void Count(Choice choice, KeyValuePair<string, object?> model, string family)
    {
        var sequence = choice.Sequence;
        // One that nobody waits for any more may be in a step yet.
        if (sequence.Finish == FinishReason.None)
            return;
        _finished.Add(1, model, Tag("reason", Reason(choice)));
        RecordMs(_decode, sequence.Timings.DecodeMs, model);
        if (sequence.GeneratedCount > 1)
            RecordMs(_perToken, sequence.Timings.DecodeMs / (sequence.GeneratedCount - 1), model);
        if (sequence.Timings.IndexMs > 0)
            RecordMs(_index, sequence.Timings.IndexMs, model);
        var reads = sequence.Reads();
        var policy = Tag("policy", family);
        _rowsRead.Add(reads.RowsRead, model, policy);
        _rowsInSight.Add(reads.RowsInSight, model, policy);
    }

    // vLLM's words where it has one.
    private static string Reason(Choice choice) => choice.Finish switch
    {
        FinishReason.End or FinishReason.Stop => "stop",
        FinishReason.Length => "length",
        FinishReason.ContextFull => "context_full",
        FinishReason.KvFull => "kv_full",
        FinishReason.Cancelled => "abort",
        _ => "error",
    };

    private static void RecordMs(Histogram<double> histogram, double ms, KeyValuePair<string, object?> model)
    {
        if (double.IsFinite(ms))
            histogram.Record(ms / 1000, model);
    }

    private static KeyValuePair<string, object?> Tag(string name, object value) => new(name, value);

    private static Histogram<double> Histogram(Meter meter, string name, string description, double[] bounds) =>
        meter.CreateHistogram(name, Seconds, description, null, new InstrumentAdvice<double> { HistogramBucketBoundaries = bounds });
}
