using System.Globalization;
using Kvasir.Server.Hosting;
using OpenTelemetry;
using OpenTelemetry.Metrics;

namespace Kvasir.Server.Telemetry;

/// <summary>
/// Everything that the host's instruments have counted, as Prometheus' text, when somebody asks. Sums are those since the start: no scrape
/// takes anything away from the next.
/// </summary>
[ExportModes(ExportModes.Pull)]
internal sealed class PrometheusExporter(ServedModels models) : BaseExporter<Metric>, IPullMetricExporter
{
    private const int TimeoutMs = 5000;
    private readonly SemaphoreSlim _turn = new(1);
    private PrometheusText _text = new();

    public Func<int, bool>? Collect { get; set; }

    /// <summary>One at a time; others wait their turn.</summary>
    public async Task<string> ScrapeAsync(CancellationToken cancellation)
    {
        await _turn.WaitAsync(cancellation).ConfigureAwait(false);
        try
        {
            _text = new PrometheusText();
            Collect?.Invoke(TimeoutMs);
            WriteSteps();
            return _text.ToString();
        }
        finally
        {
            _turn.Release();
        }
    }

    public override ExportResult Export(in Batch<Metric> batch)
    {
        foreach (var metric in batch)
        {
            foreach (var name in MetricNames.Of(metric.Name, metric.Unit, metric.MetricType is MetricType.LongSum or MetricType.DoubleSum))
                Write(name, metric);
        }

        return ExportResult.Success;
    }

    protected override void Dispose(bool disposing)
    {
        _turn.Dispose();
        base.Dispose(disposing);
    }

    private void Write(string name, Metric metric)
    {
        _text.Family(name, Type(metric.MetricType), metric.Description);
        foreach (ref readonly var point in metric.GetMetricPoints())
        {
            var labels = Labels(name, point.Tags);
            switch (metric.MetricType)
            {
                case MetricType.Histogram:
                    _text.Histogram(name, labels, Buckets(point.GetHistogramBuckets()), point.GetHistogramSum());
                    break;
                case MetricType.LongSum or MetricType.LongSumNonMonotonic:
                    _text.Sample(name, labels, point.GetSumLong());
                    break;
                case MetricType.DoubleSum or MetricType.DoubleSumNonMonotonic:
                    _text.Sample(name, labels, point.GetSumDouble());
                    break;
                case MetricType.LongGauge:
                    _text.Sample(name, labels, point.GetGaugeLastValueLong());
                    break;
                case MetricType.DoubleGauge:
                    _text.Sample(name, labels, point.GetGaugeLastValueDouble());
                    break;
            }
        }
    }

    // Counted where steps are, since nobody's code runs on the thread that computes them.
    private void WriteSteps()
    {
        const string Rows = "Rows that a step computed, of prompts and of answers";
        double[] times = [.. EngineFigures.StepBoundsMs];
        double[] rows = [.. EngineFigures.StepBoundsRows];
        WriteSteps("kvasir_step_seconds", "How long steps took, without the building of indexes", [.. times.Select(static ms => ms / 1000)],
            static totals => (totals.StepsByTime, totals.StepMs / 1000));
        WriteSteps("kvasir_step_tokens", Rows, rows, static totals => (totals.StepsByRows, totals.DecodeRows + totals.PromptRows));
        WriteSteps("vllm:iteration_tokens_total", Rows, rows, static totals => (totals.StepsByRows, totals.DecodeRows + totals.PromptRows));
    }

    private void WriteSteps(string name, string help, double[] bounds, Func<EngineTotals, (long[] Counts, double Sum)> read)
    {
        _text.Family(name, "histogram", help);
        foreach (var (id, totals) in models.Totals)
        {
            var (counts, sum) = read(totals);
            List<(double, long)> buckets = [.. bounds.Append(double.PositiveInfinity).Zip(counts)];
            _text.Histogram(name, [(MetricNames.Label(name, "model"), id)], buckets, sum);
        }
    }

    private static string Type(MetricType type) => type switch
    {
        MetricType.Histogram => "histogram",
        MetricType.LongSum or MetricType.DoubleSum => "counter",
        _ => "gauge",
    };

    private static List<(string, string)> Labels(string name, ReadOnlyTagCollection tags)
    {
        var labels = new List<(string, string)>(tags.Count);
        foreach (var (key, value) in tags)
            labels.Add((MetricNames.Label(name, key), Convert.ToString(value, CultureInfo.InvariantCulture) ?? ""));
        return labels;
    }

    private static List<(double, long)> Buckets(HistogramBuckets buckets)
    {
        var list = new List<(double, long)>();
        foreach (var bucket in buckets)
            list.Add((bucket.ExplicitBound, bucket.BucketCount));
        return list;
    }
}
