using System.Text.Json;
using Kvasir.Server.Answers;

namespace Kvasir.Server.Telemetry;

/// <summary>What answers of late were like, and what all of them read by policy and layer: for people who look on.</summary>
internal sealed class RecentAnswers(TimeProvider clock)
{
    private const int MostAnswers = 512;
    private static readonly TimeSpan Window = TimeSpan.FromMinutes(1);
    private readonly Lock _lock = new();
    private readonly Queue<(long EndedAt, double FirstTokenMs)> _firstTokens = [];
    private readonly SortedDictionary<(string Model, string Policy), PolicyTotals> _policies = [];

    public void Add(RequestRecord record)
    {
        if (record.Answer is not { } answer)
            return;
        lock (_lock)
        {
            var firstMs = record.UntilSubmission.TotalMilliseconds + answer.Choices[0].Sequence.Timings.FirstTokenMs;
            if (double.IsFinite(firstMs))
                _firstTokens.Enqueue((clock.GetTimestamp(), firstMs));
            while (_firstTokens.Count > MostAnswers)
                _firstTokens.Dequeue();
            // One that was cancelled may be in a step yet.
            foreach (var choice in answer.Choices.Where(static choice => choice.Sequence.Finish != FinishReason.None))
                Add(answer, choice);
        }
    }

    public void Write(Utf8JsonWriter json)
    {
        lock (_lock)
        {
            while (_firstTokens.TryPeek(out var oldest) && clock.GetElapsedTime(oldest.EndedAt) > Window)
                _firstTokens.Dequeue();
            WriteFirstTokens(json);
            json.WriteStartArray("policies");
            foreach (var ((model, policy), totals) in _policies)
                totals.Write(json, model, policy);
            json.WriteEndArray();
        }
    }

    private void Add(ServedAnswer answer, Choice choice)
    {
        var name = (answer.Model.Id, (choice.Sequence.Options.Attention ?? answer.Model.Engine.Policy).Spec.Entry.Name);
        if (!_policies.TryGetValue(name, out var totals))
            _policies[name] = totals = new PolicyTotals();
        totals.Add(choice.Sequence);
    }

    private void WriteFirstTokens(Utf8JsonWriter json)
    {
        var sorted = _firstTokens.Select(static answer => answer.FirstTokenMs).Order().ToArray();
        json.WriteStartObject("first_token_ms");
        json.WriteNumber("count", sorted.Length);
        if (sorted.Length > 0)
        {
            json.WriteNumber("p50", Math.Round(sorted[(sorted.Length - 1) / 2], 3));
            json.WriteNumber("p90", Math.Round(sorted[(sorted.Length - 1) * 9 / 10], 3));
            json.WriteNumber("max", Math.Round(sorted[^1], 3));
        }

        json.WriteEndObject();
    }
}

/// <summary>What all answers under a policy have read, and what their audits have found.</summary>
internal sealed class PolicyTotals
{
    private LayerReads[] _layers = [];
    private long _auditedHeads;
    private double _errorSum;
    private double _massSum;

    public void Add(Sequence sequence)
    {
        var reads = sequence.ReadsByLayer();
        if (_layers.Length < reads.Length)
            Array.Resize(ref _layers, reads.Length);
        for (var i = 0; i < reads.Length; i++)
            _layers[i] += reads[i];
        if (sequence.AuditFigures is not { HeadCount: > 0 } audit)
            return;
        _auditedHeads += audit.HeadCount;
        _errorSum += audit.MeanError * audit.HeadCount;
        _massSum += audit.MassKept * audit.HeadCount;
    }

    public void Write(Utf8JsonWriter json, string model, string policy)
    {
        json.WriteStartObject();
        json.WriteString("model", model);
        json.WriteString("policy", policy);
        json.WriteStartArray("keys_read_share");
        foreach (var layer in _layers)
            json.WriteNumberValue(Math.Round(layer.KeysReadShare, 6));
        json.WriteEndArray();
        if (_auditedHeads > 0)
        {
            json.WriteStartObject("audit");
            json.WriteNumber("heads", _auditedHeads);
            json.WriteNumber("error_mean", _errorSum / _auditedHeads);
            json.WriteNumber("mass_kept", _massSum / _auditedHeads);
            json.WriteEndObject();
        }

        json.WriteEndObject();
    }
}
