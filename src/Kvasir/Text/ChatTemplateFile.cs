using System.Text;
using System.Text.Json;
using Kvasir.Files;

namespace Kvasir.Text;

/// <summary>
/// Where a Hugging Face style folder keeps its chat templates: a file of its own (chat_template.jinja, further ones in additional_chat_templates),
/// or in tokenizer_config.json as a text, or as a list of named ones.
/// </summary>
internal static class ChatTemplateFile
{
    private const long LimitBytes = 64 << 20;

    /// <exception cref="KvasirException">The file is damaged, or what it has for a template is none.</exception>
    public static (string Source, string Name)? Find(string folder, string variant, Notes notes)
    {
        var path = variant == "default"
            ? Path.Combine(folder, "chat_template.jinja")
            : Path.Combine(folder, "additional_chat_templates", Path.GetFileName(variant) + ".jinja");
        if (File.Exists(path))
            return (Encoding.UTF8.GetString(CompanionText.Read(path, LimitBytes, notes).Span), path);
        if (JsonPlace.LoadIfThere(Path.Combine(folder, "tokenizer_config.json"), notes)?.Find("chat_template") is not { } place)
            return null;
        return (place.Kind == JsonValueKind.Array ? FromList(place, variant) : variant == "default" ? place.Text() : null) is { } source
            ? (source, place.Place)
            : null;
    }

    private static string? FromList(JsonPlace list, string variant)
    {
        foreach (var entry in list.Items())
        {
            var (name, template) = (entry.Get("name").Text(), entry.Get("template").Text());
            if (name == variant)
                return template;
        }

        return null;
    }
}
