using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Kvasir.Cli.Shared.Remote;

namespace Kvasir.Cli.BenchServe;

/// <summary>Sends a plan's requests, each when its time has come, and notes when pieces of the answers arrive.</summary>
internal sealed class LoadRun(LoadPlan plan, RemoteServer server, string model, LoadTexts texts)
{
    private const int ProbeTokens = 16;
    private static readonly TimeSpan ProbePeriod = TimeSpan.FromSeconds(1);

    private readonly ConcurrentQueue<LoadTrace> _traces = new();
    private readonly ConcurrentQueue<LoadTrace> _probes = new();
    private readonly string _prefix = texts.Prefix(plan.PrefixTokens);
    private long _start;
    private int _underWay;
    private int _mostUnderWay;

    /// <summary>How far it is, in words.</summary>
    public string Progress => $"{_traces.Count} of {plan.Prompts * plan.Turns} requests, {Volatile.Read(ref _underWay)} under way";

    /// <summary>Returns when all have ended, or at once when it is cancelled.</summary>
    /// <returns>What was seen until then.</returns>
    public async Task<LoadSeen> RunAsync(CancellationToken cancellation)
    {
        var arrivals = Arrivals.Times(plan.Prompts, plan.Rate, plan.Burstiness, new Random((int)(plan.Seed & int.MaxValue)));
        using var places = new SemaphoreSlim(plan.Concurrency ?? plan.Prompts);
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        _start = Stopwatch.GetTimestamp();
        var probing = plan.Probes ? ProbeAsync(ended.Token) : Task.CompletedTask;
        await Task.WhenAll(arrivals.Select((time, i) => ConverseAsync(i, time, places, cancellation))).ConfigureAwait(false);
        var seconds = Now();
        await ended.CancelAsync().ConfigureAwait(false);
        await probing.ConfigureAwait(false);
        return new LoadSeen([.. _traces], [.. _probes], seconds, _mostUnderWay);
    }

    private async Task ConverseAsync(int conversation, double arrival, SemaphoreSlim places, CancellationToken cancellation)
    {
        try
        {
            if (arrival > 0)
                await Task.Delay(TimeSpan.FromSeconds(arrival), cancellation).ConfigureAwait(false);
            var said = new List<string>();
            for (var turn = 0; turn < plan.Turns; turn++)
            {
                said.Add(texts.Turn(conversation, turn, plan.InputTokens));
                var ready = Now();
                await places.WaitAsync(cancellation).ConfigureAwait(false);
                try
                {
                    var trace = new LoadTrace(turn, ready, Now());
                    said.Add(await AskAsync(said, plan.OutputTokens, trace, cancellation).ConfigureAwait(false));
                    _traces.Enqueue(trace);
                    // What is missing from a conversation would make its next prompt another one.
                    if (trace.Fault is not null)
                        return;
                }
                finally
                {
                    places.Release();
                }
            }
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            return;
        }
    }

    private async Task ProbeAsync(CancellationToken cancellation)
    {
        try
        {
            using var timer = new PeriodicTimer(ProbePeriod);
            for (var i = 0; await timer.WaitForNextTickAsync(cancellation).ConfigureAwait(false); i++)
            {
                var now = Now();
                var trace = new LoadTrace(0, now, now);
                await AskAsync([texts.Turn(plan.Prompts, i, ProbeTokens)], 1, trace, cancellation).ConfigureAwait(false);
                _probes.Enqueue(trace);
            }
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            return;
        }
    }

    private async Task<string> AskAsync(List<string> said, int outputTokens, LoadTrace trace, CancellationToken cancellation)
    {
        var underWay = Interlocked.Increment(ref _underWay);
        for (var most = Volatile.Read(ref _mostUnderWay); underWay > most; most = Volatile.Read(ref _mostUnderWay))
            Interlocked.CompareExchange(ref _mostUnderWay, underWay, most);
        var answer = new StringBuilder();
        try
        {
            var path = plan.IsChat ? "v1/chat/completions" : "v1/completions";
            await foreach (var piece in server.StreamAsync(path, Body(said, outputTokens), cancellation).ConfigureAwait(false))
                Note(piece, trace, answer);
            if (trace.PieceS.Count == 0)
                trace.Fault = "the answer has no pieces";
        }
        catch (KvasirException refusal)
        {
            trace.Fault = refusal.Message;
        }
        finally
        {
            Interlocked.Decrement(ref _underWay);
        }

        return answer.ToString();
    }

    private JsonObject Body(List<string> said, int outputTokens)
    {
        var body = new JsonObject
        {
            ["model"] = model,
            ["max_tokens"] = outputTokens,
            ["temperature"] = 0,
            ["ignore_eos"] = true,
            ["stream"] = true,
            ["stream_options"] = new JsonObject { ["include_usage"] = true },
        };
        if (!plan.IsChat)
        {
            body["prompt"] = string.Join(' ', _prefix.Length > 0 ? said.Prepend(_prefix) : said);
            return body;
        }

        var messages = new JsonArray();
        if (_prefix.Length > 0)
            messages.Add((JsonNode)Message("system", _prefix));
        for (var i = 0; i < said.Count; i++)
            messages.Add((JsonNode)Message(i % 2 == 0 ? "user" : "assistant", said[i]));
        body["messages"] = messages;
        return body;
    }

    private static JsonObject Message(string role, string text) => new() { ["role"] = role, ["content"] = text };

    private void Note(JsonElement piece, LoadTrace trace, StringBuilder answer)
    {
        if (RemoteFields.FirstChoice(piece) is { } choice)
        {
            trace.PieceS.Add(Now());
            answer.Append(
                RemoteFields.Text(choice, "text") ?? (RemoteFields.Object(choice, "delta") is { } delta ? RemoteFields.Text(delta, "content") : null));
        }

        if (RemoteFields.Object(piece, "usage") is { } usage)
        {
            (trace.PromptTokens, trace.OutputTokens) = (RemoteFields.Count(usage, "prompt_tokens"), RemoteFields.Count(usage, "completion_tokens"));
            trace.CachedTokens = RemoteFields.Object(usage, "prompt_tokens_details") is { } details ? RemoteFields.Count(details, "cached_tokens") : 0;
        }

        if (RemoteFields.Object(piece, "timings") is { } timings)
            (trace.QueueMs, trace.PrefillMs) = (RemoteFields.Number(timings, "queue_ms"), RemoteFields.Number(timings, "prompt_ms"));
        if (RemoteFields.Object(piece, "kvasir") is { } kvasir)
            trace.KeysReadShare = RemoteFields.Number(kvasir, "keys_read_share");
    }

    private double Now() => Stopwatch.GetElapsedTime(_start).TotalSeconds;
}

/// <summary>What a run has seen.</summary>
/// <param name="Requests">In the order in which they ended.</param>
/// <param name="Probes">Short questions beside the load.</param>
/// <param name="Seconds">From the start to the last end.</param>
/// <param name="MostUnderWay">The most requests at a time.</param>
internal sealed record LoadSeen(LoadTrace[] Requests, LoadTrace[] Probes, double Seconds, int MostUnderWay);
