using System.Collections.Concurrent;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Cli.Terminal;
using Kvasir.Evaluation;
using Kvasir.Evaluation.Reporting;
using Kvasir.Evaluation.Results;
using Kvasir.Evaluation.Running;

namespace Kvasir.Cli.Eval;

/// <summary>Results as they come, and what a progress line says of them; the line is asked for from another thread.</summary>
internal sealed class EvalResults
{
    private volatile string _making = "preparing samples";
    private readonly List<EvaluatedSample> _samples = [];
    private readonly ConcurrentDictionary<(string, int, Protocol, string), (double Sum, int Count)> _scores = new();

    public IReadOnlyList<EvaluatedSample> Samples => _samples;

    /// <summary>As "vt, 4,096 tokens, B psa: 12 of 96, score 0.75, 2m10s left".</summary>
    public string Line
    {
        get
        {
            if (Run?.Progress is not { } now)
                return _making;
            var score = now.Policy is not null && _scores.TryGetValue((now.Task, now.Context, now.Protocol, now.Policy), out var so)
                ? $", score {EvalTable.Score(so.Sum / so.Count)}"
                : "";
            var left = now.Left is { } time ? $", {SpeedText.Duration(time)} left" : "";
            var what = now.Policy ?? $"prompts, {ShareText.Text(Math.Round(now.PromptShare, 2))}";
            return $"{now.Task}, {SizeText.Count(now.Context)} tokens, {ProtocolText.Letter(now.Protocol)} {what}: "
                + $"{SizeText.Count(now.Done)} of {SizeText.Count(now.Total)}{score}{left}";
        }
    }

    /// <summary>Null as long as its samples are read.</summary>
    public EvaluationRun? Run { get; set; }

    /// <summary>Told that samples of a task are made.</summary>
    public void Made(PlannedTask task, int count) => _making = $"preparing samples of {task.Name}: {SizeText.Count(count)}";

    public void Add(EvaluatedSample sample)
    {
        _samples.Add(sample);
        _scores.AddOrUpdate(
            (sample.Task, sample.Context, sample.Protocol, sample.Policy), (sample.Score, 1), (_, so) => (so.Sum + sample.Score, so.Count + 1));
    }
}
