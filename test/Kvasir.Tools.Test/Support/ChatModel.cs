namespace Kvasir.Tools.Test.Support;

/// <summary>The bundled model with a chat template of its own.</summary>
internal static class ChatModel
{
    /// <summary>Text of a rendered conversation: messages one after the other, an instruction in brackets; "evil" is refused.</summary>
    private const string Template =
        "{% for m in messages %}{% if m.content == 'evil' %}{{ raise_exception('no evil here') }}{% endif %}"
        + "{% if m.role == 'system' %}[{{ m.content }}] {% else %}{{ m.content }}{% endif %}{% endfor %}";

    /// <summary>Makes the folder, in <paramref name="parent"/>.</summary>
    public static string Create(string parent)
    {
        var folder = Directory.CreateDirectory(Path.Combine(parent, "chat-model")).FullName;
        foreach (var file in Directory.GetFiles(TestModels.StoriesFolder))
            File.Copy(file, Path.Combine(folder, Path.GetFileName(file)));
        File.WriteAllText(Path.Combine(folder, "chat_template.jinja"), Template);
        return folder;
    }
}
