using System.Text.Json;

namespace Kvasir.Text;

/// <summary>
/// Where a Hugging Face style folder keeps its chat templates: a file of its own (chat_template.jinja, further ones in additional_chat_templates),
/// or in tokenizer_config.json as a text, or as a list of named ones.
/// </summary>
internal static class ChatTemplateFile
{
    private const long MaxFileBytes = 64 << 20;

    public static (string Source, string Name)? Find(string folder, string variant)
    {
        string path = variant == "default"
            ? Path.Combine(folder, "chat_template.jinja")
            : Path.Combine(folder, "additional_chat_templates", Path.GetFileName(variant) + ".jinja");
        if (File.Exists(path))
            return (Read(path), path);
        string config = Path.Combine(folder, "tokenizer_config.json");
        if (!File.Exists(config))
            return null;
        return FromConfig(Read(config), config, variant) is { } source ? (source, config + " (chat_template)") : null;
    }

    private static string? FromConfig(string json, string path, string variant)
    {
        try
        {
            using var document = JsonDocument.Parse(json);
            if (document.RootElement.ValueKind != JsonValueKind.Object)
                throw new KvasirException(KvasirError.BadFile, $"{path}: not a JSON object");
            if (!document.RootElement.TryGetProperty("chat_template", out var template) || template.ValueKind == JsonValueKind.Null)
                return null;
            return template.ValueKind switch
            {
                JsonValueKind.String => variant == "default" ? template.GetString() : null,
                JsonValueKind.Array => FromList(template, path, variant),
                _ => throw new KvasirException(KvasirError.BadFile, $"{path}: chat_template is neither a text nor a list"),
            };
        }
        // The second is what the reader throws for half a surrogate pair.
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            throw new KvasirException(KvasirError.BadFile, $"{path}: {error.Message}", error);
        }
    }

    private static string? FromList(JsonElement list, string path, string variant)
    {
        foreach (var entry in list.EnumerateArray())
        {
            if (entry.ValueKind != JsonValueKind.Object
                || !entry.TryGetProperty("name", out var name) || name.ValueKind != JsonValueKind.String
                || !entry.TryGetProperty("template", out var template) || template.ValueKind != JsonValueKind.String)
                throw new KvasirException(KvasirError.BadFile, $"{path}: an entry of chat_template lacks its name or template");
            if (name.ValueEquals(variant))
                return template.GetString();
        }
        return null;
    }

    private static string Read(string path)
    {
        try
        {
            long bytes = new FileInfo(path).Length;
            if (bytes > MaxFileBytes)
                throw new KvasirException(KvasirError.BadFile, $"{path}: {bytes} bytes, above the limit of {MaxFileBytes}");
            return File.ReadAllText(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new KvasirException(KvasirError.FileNotFound, $"{path}: {error.Message}", error);
        }
    }
}
