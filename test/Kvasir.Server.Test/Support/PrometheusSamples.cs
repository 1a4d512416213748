using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Kvasir.Server.Test.Support;

/// <summary>Prometheus' text, read as strictly as Prometheus does: what is no sample of a family that was begun is an error.</summary>
internal sealed partial class PrometheusSamples
{
    private readonly Dictionary<string, string> _types = [];
    private readonly List<(string Name, Dictionary<string, string> Labels, double Value)> _samples = [];

    private PrometheusSamples(string text)
    {
        Assert.EndsWith("\n", text, StringComparison.Ordinal);
        var family = "";
        foreach (var line in text[..^1].Split('\n'))
        {
            if (Type().Match(line) is { Success: true } type)
                Assert.True(_types.TryAdd(family = type.Groups[1].Value, type.Groups[2].Value), $"{family} is there twice");
            else if (!Help().IsMatch(line))
                Add(family, line);
        }
    }

    public IEnumerable<string> Families => _types.Keys;

    public static async Task<PrometheusSamples> ScrapeAsync(RunningServer server)
    {
        using var response = await server.Client.GetAsync(new Uri("/metrics", UriKind.Relative));
        Assert.Equal("text/plain; version=0.0.4; charset=utf-8", response.Content.Headers.ContentType!.ToString());
        return new PrometheusSamples(await response.Content.ReadAsStringAsync());
    }

    /// <summary>Scrapes until it is so; fails after 10 s.</summary>
    public static Task<PrometheusSamples> UntilAsync(RunningServer server, Predicate<PrometheusSamples> isSo) => Soon.SeenAsync(
        () => ScrapeAsync(server), isSo,
        static samples => string.Join('\n', samples._samples.Select(static sample => $"{sample.Name} {string.Join(',', sample.Labels)} {sample.Value}")));

    /// <summary>The sum of the samples of a name that have these labels.</summary>
    public double Sum(string name, params (string Name, string Value)[] labels) => _samples
        .Where(sample => sample.Name == name && labels.All(label => sample.Labels.GetValueOrDefault(label.Name) == label.Value))
            .Sum(static sample => sample.Value);

    /// <summary>What a label is, over all samples.</summary>
    public IReadOnlySet<string> Values(string label) => _samples.Where(sample => sample.Labels.ContainsKey(label)).Select(sample => sample.Labels[label])
        .ToHashSet();

    /// <summary>Those that only grow.</summary>
    public IEnumerable<(string Key, double Value)> Growing => _samples
        .Where(sample => sample.Name.EndsWith("_total", StringComparison.Ordinal) || sample.Name.EndsWith("_bucket", StringComparison.Ordinal)
            || sample.Name.EndsWith("_count", StringComparison.Ordinal))
        .Select(static sample => ($"{sample.Name}{{{string.Join(',', sample.Labels)}}}", sample.Value));

    private void Add(string family, string line)
    {
        var match = Sample().Match(line);
        Assert.True(match.Success, $"no sample: {line}");
        var name = match.Groups[1].Value;
        var type = _types.GetValueOrDefault(family);
        Assert.True(type == "histogram" ? name == $"{family}_bucket" || name == $"{family}_sum" || name == $"{family}_count" : name == family,
            $"{name} is not of {family}");
        Assert.Equal(type == "counter", name.EndsWith("_total", StringComparison.Ordinal));
        var labels = new Dictionary<string, string>();
        foreach (Match label in Label().Matches(match.Groups[2].Value))
            labels.Add(label.Groups[1].Value, Unescaped(label.Groups[2].Value));
        var value = match.Groups[3].Value is "+Inf" ? double.PositiveInfinity : double.Parse(match.Groups[3].Value, CultureInfo.InvariantCulture);
        _samples.Add((name, labels, value));
    }

    private static string Unescaped(string text)
    {
        var plain = new StringBuilder();
        for (var i = 0; i < text.Length; i++)
            plain.Append(text[i] != '\\' ? text[i] : text[++i] == 'n' ? '\n' : text[i]);
        return plain.ToString();
    }

    [GeneratedRegex("^# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge|histogram)$")]
    private static partial Regex Type();

    [GeneratedRegex("^# HELP [a-zA-Z_:][a-zA-Z0-9_:]* .+$")]
    private static partial Regex Help();

    [GeneratedRegex("""^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*",?)*)\})? ([-+0-9.eE]+|\+Inf|NaN)$""")]
    private static partial Regex Sample();

    [GeneratedRegex("""([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)",?""")]
    private static partial Regex Label();
}
