using System.Text.Json;
using System.Text.Json.Serialization;
using Kvasir.Cli.Shared;

namespace Kvasir.Cli.Embed;

/// <summary>How embedded texts become lines of JSON.</summary>
[JsonSerializable(typeof(EmbeddedText))]
internal sealed partial class EmbedJson : JsonSerializerContext
{
    private static readonly EmbedJson Written = new(ReportJson.Style());

    public static string Text(EmbeddedText text) => JsonSerializer.Serialize(text, Written.EmbeddedText);
}

/// <summary>A line of what <c>kvasir embed</c> writes.</summary>
/// <param name="Index">Of the text, from 0.</param>
/// <param name="Embedding">Of length 1.</param>
internal sealed record EmbeddedText(int Index, float[] Embedding);
