using System.Text.Json;

namespace Kvasir.Cli.Shared.Remote;

/// <summary>Fields of what another server says: one that is missing, or of another kind, is none.</summary>
internal static class RemoteFields
{
    public static JsonElement? Object(JsonElement of, string name) =>
        of.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Object ? value : null;

    public static double? Number(JsonElement of, string name) =>
        of.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number ? value.GetDouble() : null;

    /// <summary>0 where it is missing.</summary>
    public static int Count(JsonElement of, string name) => (int)Math.Clamp(Number(of, name) ?? 0, 0, int.MaxValue);

    public static string? Text(JsonElement of, string name) =>
        of.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    /// <summary>The first of the choices, or null where there is none.</summary>
    public static JsonElement? FirstChoice(JsonElement of) =>
        of.TryGetProperty("choices", out var choices) && choices.ValueKind == JsonValueKind.Array
            && choices.GetArrayLength() > 0 && choices[0].ValueKind == JsonValueKind.Object
            ? choices[0]
            : null;
}
