using System.Text.Json.Nodes;
using Kvasir.Text;

namespace Kvasir.Server.Test.Support;

/// <summary>The bundled model that tells stories, in whose vocabulary rare characters were replaced by marks, so that a bias makes it write them.</summary>
internal sealed class MarkedStories : IDisposable
{
    public const int ThinkEnd = 511;
    public const int CallBegin = 510;
    public const int WholeCall = 507;
    public const int FillPrefix = 506;
    public const int FirstControl = 503;
    public const int FillSuffix = 508;
    public const int FillMiddle = 509;
    public const string Thinks = "{{ messages[-1].content }}<think>\n";

    /// <summary>Calls as Hermes has them; tools by their names, since the context is short.</summary>
    public const string Calls =
        "{% for tool in tools or [] %}{{ tool.function.name }} {% endfor %}{% for m in messages %}{{ m.role + ':' }}{{ m.content or '' }}"
        + "{% for c in m.tool_calls or [] %}{{ '<tool_call>{\"name\": \"' + c.function.name + '\", \"arguments\": ' + (c.function.arguments | tojson) + '}</tool_call>' }}{% endfor %}{% endfor %}";

    /// <summary>Messages with channels; tools by their names.</summary>
    public const string Channels =
        "{% for tool in tools or [] %}{{ tool.function.name }} {% endfor %}{% for m in messages %}{{ '<|start|>' + m.role }}{% if m.tool_calls %}"
        + "{{ ' to=functions.' + m.tool_calls[0].function.name + '<|channel|>commentary json<|message|>' + (m.tool_calls[0].function.arguments | tojson) + '<|call|>' }}"
        + "{% else %}{{ ('<|channel|>final' if m.role == 'assistant' else '') + '<|message|>' + m.content + '<|end|>' }}{% endif %}{% endfor %}"
        + "{% if add_generation_prompt %}{{ '<|start|>assistant' }}{% endif %}";

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("kvasir-marked-");

    /// <param name="controls">Control tokens, whose ids go down from <see cref="FirstControl"/>.</param>
    public MarkedStories(params string[] controls)
    {
        foreach (var file in Directory.GetFiles(Folder()))
            File.Copy(file, Path.Combine(_folder.FullName, Path.GetFileName(file)));
        var path = Path.Combine(_folder.FullName, "tokenizer.json");
        var json = JsonNode.Parse(File.ReadAllText(path))!;
        var vocabulary = json["model"]!["vocab"]!.AsObject();
        Rename(vocabulary, ThinkEnd, "</think>");
        Rename(vocabulary, CallBegin, "<tool_call>");
        Rename(vocabulary, WholeCall, "<tool_call>{\"name\":\"sun\",\"arguments\":{}}</tool_call>");
        Rename(vocabulary, FillPrefix, "<fim_prefix>");
        Rename(vocabulary, FillSuffix, "<fim_suffix>");
        Rename(vocabulary, FillMiddle, "<fim_middle>");
        for (var i = 0; i < controls.Length; i++)
        {
            Rename(vocabulary, FirstControl - i, controls[i]);
            json["added_tokens"]!.AsArray().Add(new JsonObject { ["id"] = FirstControl - i, ["content"] = controls[i], ["special"] = true });
        }

        File.WriteAllText(path, json.ToJsonString());
    }

    public Task<RunningServer> StartAsync(string template, Action<KvasirOptions>? configure = null) => RunningServer.StartAsync(options =>
    {
        options.Model = _folder.FullName;
        options.ModelId = "stories260K";
        options.UseTemplate(ChatTemplate.Parse(template, "marked"));
        configure?.Invoke(options);
    });

    public void Dispose() => _folder.Delete(recursive: true);

    private static void Rename(JsonObject vocabulary, int token, string piece)
    {
        vocabulary.Remove(vocabulary.First(entry => entry.Value!.GetValue<int>() == token).Key);
        vocabulary[piece] = token;
    }

    private static string Folder()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "Kvasir.slnx")))
            folder = folder.Parent ?? throw new DirectoryNotFoundException("the tests run outside the repository");
        return Path.Combine(folder.FullName, "assets", "stories260K", "hf");
    }
}
