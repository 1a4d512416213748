using System.Text.Json.Nodes;
using Kvasir.Text;

namespace Kvasir.Test.Text;

public class ChatTemplateGoldenTest
{
    [Fact]
    public void ConversationsRenderAsJinja2RendersThem()
    {
        var fixture = TemplateFixture.Load("renderings.json.gz");
        var templates = fixture["templates"]!.AsObject().ToDictionary(entry => entry.Key, entry => ChatTemplate.Parse((string)entry.Value!, entry.Key));
        Assert.True(templates.Count >= 10, $"{templates.Count} templates");
        int index = 0;
        foreach (var row in fixture["cases"]!.AsArray())
        {
            string name = (string)row!["template"]!;
            string label = $"{name}, case {index++} of seed {fixture["seed"]}";
            try
            {
                string text = templates[name].Render([.. row["messages"]!.AsArray().Select(message => TemplateFixture.Turn(message!))], Options(row["variables"]!.AsObject()));
                Assert.True(row["error"] is null, $"{label}: fails with {row["error"]} in Jinja2, here gives {text}");
                Assert.True((string?)row["text"] == text, $"{label}: expected\n{row["text"]}\nactual\n{text}");
            }
            catch (KvasirException error)
            {
                Assert.True(row["error"] is not null, $"{label}: {error.Message}");
                Assert.Equal(KvasirError.BadTemplate, error.Error);
                Assert.EndsWith((string?)row["message"] ?? "", error.Message, StringComparison.Ordinal);
            }
        }
        Assert.True(index >= 600, $"{index} renderings");
    }

    private static ChatTemplateOptions Options(JsonObject variables)
    {
        string[] known = ["add_generation_prompt", "bos_token", "eos_token", "tools", "documents"];
        return new ChatTemplateOptions
        {
            AddsGenerationPrompt = (bool)variables["add_generation_prompt"]!,
            BeginText = (string?)variables["bos_token"],
            EndText = (string?)variables["eos_token"],
            Tools = variables["tools"] as JsonArray,
            Documents = variables["documents"] as JsonArray,
            Variables = new JsonObject(variables.Where(entry => !known.Contains(entry.Key)).Select(entry => KeyValuePair.Create(entry.Key, entry.Value?.DeepClone()))),
            Clock = TemplateFixture.Clock,
        };
    }
}
