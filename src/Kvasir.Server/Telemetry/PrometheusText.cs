using System.Globalization;
using System.Text;

namespace Kvasir.Server.Telemetry;

/// <summary>Prometheus' text format 0.0.4: families, each with its help, its type and its samples.</summary>
internal sealed class PrometheusText
{
    public const string ContentType = "text/plain; version=0.0.4; charset=utf-8";
    private readonly StringBuilder _text = new(32 << 10);

    public override string ToString() => _text.ToString();

    /// <summary>Begins a family.</summary>
    /// <param name="type">counter, gauge or histogram.</param>
    public void Family(string name, string type, string help) =>
        _text.Append("# HELP ").Append(name).Append(' ').Append(Escaped(help, isLabel: false)).Append("\n# TYPE ").Append(name).Append(' ').Append(type)
            .Append('\n');

    public void Sample(string name, IReadOnlyList<(string Name, string Value)> labels, double value, string? bound = null)
    {
        _text.Append(name);
        if (labels.Count > 0 || bound is not null)
        {
            _text.Append('{');
            for (var i = 0; i < labels.Count; i++)
                _text.Append(i > 0 ? "," : "").Append(labels[i].Name).Append("=\"").Append(Escaped(labels[i].Value, isLabel: true)).Append('"');
            if (bound is not null)
                _text.Append(labels.Count > 0 ? "," : "").Append("le=\"").Append(bound).Append('"');
            _text.Append('}');
        }

        _text.Append(' ').Append(Number(value)).Append('\n');
    }

    /// <summary>The samples of one histogram: buckets that grow, sum and count.</summary>
    /// <param name="buckets">Those up to each bound, not grown yet; the last has no bound.</param>
    public void Histogram(string name, IReadOnlyList<(string Name, string Value)> labels, IEnumerable<(double Bound, long Count)> buckets, double sum)
    {
        var count = 0L;
        foreach (var (bound, more) in buckets)
        {
            count += more;
            Sample($"{name}_bucket", labels, count, Number(bound));
        }

        Sample($"{name}_sum", labels, sum);
        Sample($"{name}_count", labels, count);
    }

    private static string Number(double value) =>
        double.IsNaN(value) ? "NaN" : double.IsPositiveInfinity(value) ? "+Inf" : double.IsNegativeInfinity(value) ? "-Inf"
            : value.ToString("R", CultureInfo.InvariantCulture);

    // One name that is not escaped ends a scrape.
    private static string Escaped(string text, bool isLabel)
    {
        text = text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);
        return isLabel ? text.Replace("\"", "\\\"", StringComparison.Ordinal) : text;
    }
}
