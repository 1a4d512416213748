using System.Text.Json.Nodes;

namespace Kvasir.Test.Jinja;

public class JinjaCaseTest
{
    [Fact]
    public void SmallTemplatesGiveWhatJinja2Gives()
    {
        var fixture = TemplateFixture.Load("cases.json.gz");
        var variables = fixture["variables"]!.AsObject();
        var differences = new List<string>();
        int compared = 0;
        foreach (var row in fixture["cases"]!.AsArray())
        {
            string source = (string)row!["source"]!;
            string? expected = (string?)row["text"];
            var (text, error) = TemplateFixture.Render(source, variables);
            compared++;
            if (text != expected)
                differences.Add($"{source}\n  expected {Shown(expected, (string?)row["error"])}\n  actual   {Shown(text, error)}");
            else if (row["message"] is { } message && !error!.EndsWith((string)message!, StringComparison.Ordinal))
                differences.Add($"{source}\n  expected the message {message}\n  actual   {error}");
        }
        Assert.True(compared > 800, $"{compared} cases");
        Assert.True(differences.Count == 0, $"{differences.Count} of {compared} differ\n{string.Join('\n', differences)}");
    }

    private static string Shown(string? text, string? error) => text is null ? $"error {error}" : JsonValue.Create(text).ToJsonString();
}
