using System.Text.Json.Nodes;
using Kvasir.Text;

namespace Kvasir.Test.Text;

public sealed class ChatTemplateTest : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("kvasir-template-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void EveryMemberOfATurnIsSeen()
    {
        var turn = new ChatTurn("assistant", null)
        {
            Name = "n",
            ReasoningContent = "r",
            ToolCalls = [new("f", new JsonObject { ["a"] = 1.5, ["b"] = "é" }, "c1"), new("g", "raw")],
            ToolCallId = "t",
        };
        const string Expected = """
            [{"role": "assistant", "content": null, "name": "n", "reasoning_content": "r", "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": {"a": 1.5, "b": "é"}}}, {"type": "function", "function": {"name": "g", "arguments": "raw"}}], "tool_call_id": "t"}]
            """;
        Assert.Equal(Expected, Render("{{ messages | tojson }}", turn));
    }

    [Fact]
    public void PartsTakeThePlaceOfContent()
    {
        var turn = new ChatTurn("user", "unused") { Parts = [new("text", "hi"), new("image", null)] };
        Assert.Equal("""[{"type": "text", "text": "hi"}, {"type": "image"}]""", Render("{{ messages[0].content | tojson }}", turn));
    }

    [Fact]
    public void AbsentMembersAreNotDefined() =>
        Assert.Equal("False False True", Render("{{ messages[0].tool_calls is defined }} {{ 'name' in messages[0] }} {{ messages[0].content is string }}", new ChatTurn("user", "x")));

    [Fact]
    public void VariablesWithoutValuesAreNoneOrUndefined() =>
        Assert.Equal("None None False False True", Render("{{ tools }} {{ documents }} {{ bos_token is defined }} {{ eos_token is defined }} {{ add_generation_prompt }}"));

    [Fact]
    public void FreeVariablesWinOverNamedOnes()
    {
        var options = new ChatTemplateOptions { BeginText = "<s>", Variables = new JsonObject { ["bos_token"] = "<b>", ["enable_thinking"] = false, ["n"] = 3 } };
        Assert.Equal("<b>False4", ChatTemplate.Parse("{{ bos_token }}{{ enable_thinking }}{{ n + 1 }}", "test").Render([], options));
    }

    [Fact]
    public void TheClockIsTheCallers() =>
        Assert.Equal("05 Mar 2024", ChatTemplate.Parse("{{ strftime_now('%d %b %Y') }}", "test").Render([], new ChatTemplateOptions { Clock = TemplateFixture.Clock }));

    [Theory]
    [InlineData("a\n{{ x | shout }}", "model, line 2: filter 'shout' is not supported")]
    [InlineData("a\n\n{% if x is loud %}{% endif %}", "model, line 3: test 'loud' is not supported")]
    [InlineData("{% include 'x' %}", "model, line 1: tag 'include' is not supported here")]
    [InlineData("{% for x in [] recursive %}{% endfor %}", "model, line 1: 'recursive' loops are not supported")]
    [InlineData("\n{{ 'a'.encode() }}", "model, line 2: nothing to call: string has no member 'encode'")]
    [InlineData("\n{{ f(*x) }}", "model, line 2: '*' where a named argument was expected")]
    [InlineData("{# x #}\n{% if 1 %}\n{{ raise_exception('Not that.') }}\n{% endif %}", "model, line 3: Not that.")]
    [InlineData("{% macro f(x) %}\n{{ x.y.z }}\n{% endmacro %}\n{{ f({}) }}", "model, line 2: no member 'z' of what is undefined: map has no member 'y'")]
    [InlineData("{{ 9223372036854775807 + 1 }}", "model, line 1: result of '+' does not fit 64 bits")]
    [InlineData("{{ 9223372036854775808 }}", "model, line 1: integer 9223372036854775808 does not fit 64 bits")]
    [InlineData("\n{{ '[[' | from_json }}", "model, line 2: not JSON that can be read: ")]
    [InlineData("{% if 1 %}\nx", "model, line 1: no 'endif' before the end of the template")]
    [InlineData("\n{{ 1\n", "model, line 2: tag without end")]
    public void FailuresNameTheCauseAndItsLine(string source, string message)
    {
        var error = Assert.Throws<KvasirException>(() => ChatTemplate.Parse(source, "model").Render([], new ChatTemplateOptions()));
        Assert.Equal(KvasirError.BadTemplate, error.Error);
        Assert.StartsWith(message, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ToolsBeyondTheDepthOfJsonAreRefused()
    {
        JsonNode node = new JsonArray();
        for (int i = 0; i < 100; i++)
            node = new JsonArray(node);
        var error = Assert.Throws<KvasirException>(() => ChatTemplate.Parse("", "model").Render([], new ChatTemplateOptions { Tools = node.AsArray() }));
        Assert.Equal(KvasirError.BadTemplate, error.Error);
    }

    [Fact]
    public void OneTemplateServesManyThreads()
    {
        var template = ChatTemplate.Parse("{% set n = namespace(c=0) %}{% for m in messages %}{% set n.c = n.c + m.content | int %}{% endfor %}{{ n.c }}", "test");
        Parallel.For(0, 200, i => Assert.Equal((i * 3L).ToString(), template.Render([.. Enumerable.Repeat(new ChatTurn("user", i.ToString()), 3)], new ChatTemplateOptions())));
    }

    [Fact]
    public void AFolderWithoutTemplateGivesNone()
    {
        Assert.Null(ChatTemplate.FromFolder(_folder));
        Write("tokenizer_config.json", """{"chat_template": null, "bos_token": "<s>"}""");
        Assert.Null(ChatTemplate.FromFolder(_folder));
    }

    [Fact]
    public void TheTemplateFileWinsOverTheConfig()
    {
        Write("tokenizer_config.json", """{"chat_template": "from config"}""");
        Assert.Equal("from config", ChatTemplate.FromFolder(_folder)!.Render([], new ChatTemplateOptions()));
        Write("chat_template.jinja", "from file\n");
        Assert.Equal("from file", ChatTemplate.FromFolder(_folder)!.Render([], new ChatTemplateOptions()));
    }

    [Fact]
    public void NamedTemplatesAreFoundInListAndFolder()
    {
        Write("tokenizer_config.json", """{"chat_template": [{"name": "tool_use", "template": "T"}, {"name": "default", "template": "D"}]}""");
        Assert.Equal("D", ChatTemplate.FromFolder(_folder)!.Render([], new ChatTemplateOptions()));
        Assert.Equal("T", ChatTemplate.FromFolder(_folder, "tool_use")!.Render([], new ChatTemplateOptions()));
        Assert.Null(ChatTemplate.FromFolder(_folder, "rag"));
        Directory.CreateDirectory(Path.Combine(_folder, "additional_chat_templates"));
        Write("additional_chat_templates/rag.jinja", "R");
        Assert.Equal("R", ChatTemplate.FromFolder(_folder, "rag")!.Render([], new ChatTemplateOptions()));
    }

    [Theory]
    [InlineData("{")]
    [InlineData("[]")]
    [InlineData("""{"chat_template": 5}""")]
    [InlineData("""{"chat_template": [5]}""")]
    [InlineData("""{"chat_template": [{"name": "default"}]}""")]
    [InlineData("""{"chat_template": "half a pair: \ud800"}""")]
    public void ADamagedConfigIsNamed(string json)
    {
        Write("tokenizer_config.json", json);
        var error = Assert.Throws<KvasirException>(() => ChatTemplate.FromFolder(_folder));
        Assert.Equal(KvasirError.BadFile, error.Error);
        Assert.Contains("tokenizer_config.json", error.Message, StringComparison.Ordinal);
    }

    private static string Render(string source, params ChatTurn[] messages) => ChatTemplate.Parse(source, "test").Render(messages, new ChatTemplateOptions());

    private void Write(string name, string text) => File.WriteAllText(Path.Combine(_folder, name), text);
}
