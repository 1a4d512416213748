using System.IO.Compression;
using System.Text.Json.Nodes;
using Kvasir.Text;

namespace Kvasir.Test.Support;

/// <summary>What Jinja2 made of templates, as tools/template-goldens wrote it down.</summary>
internal static class TemplateFixture
{
    public static readonly TimeProvider Clock = new FixedClock(new DateTimeOffset(2024, 3, 5, 7, 8, 9, TimeSpan.Zero));

    public static JsonNode Load(string file)
    {
        using var packed = File.OpenRead(Path.Combine(AppContext.BaseDirectory, "Fixtures", "Templates", file));
        using var json = new GZipStream(packed, CompressionMode.Decompress);
        return JsonNode.Parse(json)!;
    }

    /// <summary>Renders a template with nothing but these variables; the message of a failure when it fails.</summary>
    public static (string? Text, string? Error) Render(string source, JsonObject? variables = null)
    {
        try
        {
            var options = new ChatTemplateOptions { Variables = variables, Clock = Clock };
            return (ChatTemplate.Parse(source, "test").Render([], options), null);
        }
        catch (KvasirException error) when (error.Error == KvasirError.BadTemplate)
        {
            return (null, error.Message);
        }
    }

    public static ChatTurn Turn(JsonNode message) => new((string)message["role"]!, message["content"] is JsonValue content ? (string?)content : null)
    {
        Parts = message["content"] is JsonArray parts ? [.. parts.Select(part => new ChatPart((string)part!["type"]!, (string?)part["text"]))] : null,
        Name = (string?)message["name"],
        ReasoningContent = (string?)message["reasoning_content"],
        ToolCalls = message["tool_calls"] is JsonArray calls ? [.. calls.Select(call => ToolCall(call!))] : null,
        ToolCallId = (string?)message["tool_call_id"],
    };

    private static ChatToolCall ToolCall(JsonNode call) => new((string)call["function"]!["name"]!, call["function"]!["arguments"], (string?)call["id"]);

    private sealed class FixedClock(DateTimeOffset now) : TimeProvider
    {
        public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

        public override DateTimeOffset GetUtcNow() => now;
    }
}
