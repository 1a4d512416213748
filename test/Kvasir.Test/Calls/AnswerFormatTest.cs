using System.Text;
using System.Text.Json.Nodes;
using Kvasir.Calls;
using Kvasir.Structure;
using Kvasir.Text;

namespace Kvasir.Test.Calls;

public sealed class AnswerFormatTest
{
    private static readonly ToolDefinition Weather = new("weather", """{"properties":{"city":{"type":"string"},"days":{"type":"integer","minimum":1,"maximum":9}},"required":["city"]}""");
    private static readonly ToolDefinition Time = new("time");

    [Theory]
    [InlineData(CallTemplates.Hermes, "<tool_call>", "</tool_call>", "arguments")]
    [InlineData(CallTemplates.Llama, "", "", "parameters")]
    [InlineData(CallTemplates.Mistral, "[TOOL_CALLS]", "", "arguments")]
    public void TheSyntaxOfCallsIsFoundInTheTemplate(string template, string open, string close, string key)
    {
        var format = AnswerFormat.Of(ChatTemplate.Parse(template, "t"), CallTemplates.Vocabulary());
        Assert.Equal((open, close, key), (format.Calls!.Open, format.Calls.Close, format.Calls.ArgumentsKey));
    }

    [Theory]
    [InlineData("{% for m in messages %}{{ m.content }}{% endfor %}")]
    [InlineData("{% for m in messages %}{{ m.content }}{% for c in m.tool_calls or [] %}{{ '@' + c.function.name }}{% endfor %}{% endfor %}{{ tools }}")]
    [InlineData("{{ raise_exception('no') }}")]
    public void ATemplateWithoutKnownCallsHasNoTools(string template) => Assert.False(AnswerFormat.Of(ChatTemplate.Parse(template, "t"), CallTemplates.Vocabulary()).HasTools);

    [Fact]
    public void IdsAreCutWhereTheTemplateRefusesLongOnes()
    {
        ChatTurn[] turns = [new("assistant", null) { ToolCalls = [new ChatToolCall("f", new JsonObject(), "call_0123456789abcdefghijklmn")] }, new("tool", "x") { ToolCallId = "call_0123456789abcdefghijklmn" }];
        var fitted = AnswerFormat.Of(ChatTemplate.Parse(CallTemplates.Mistral, "t"), CallTemplates.Vocabulary()).Fitted(turns);
        Assert.Equal(("fghijklmn", "fghijklmn"), (fitted[0].ToolCalls![0].Id, fitted[1].ToolCallId));
        Assert.Same(turns, AnswerFormat.Of(ChatTemplate.Parse(CallTemplates.Hermes, "t"), CallTemplates.Vocabulary()).Fitted(turns));
    }

    [Fact]
    public void APromptThatEndsWithTheMarkOpensReasoning()
    {
        var tokenizer = CallTemplates.Vocabulary("<think>", "</think>");
        var format = AnswerFormat.Of(null, tokenizer);
        Assert.True(format.OpensReasoning(tokenizer.Encode("say: <think>\n", addBegin: false, parseSpecial: true), tokenizer));
        Assert.False(format.OpensReasoning(tokenizer.Encode("say: <think>\n\n</think>\n\n", addBegin: false, parseSpecial: true), tokenizer));
    }

    [Theory]
    [InlineData(CallTemplates.Hermes, "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Rome\", \"days\": 3}}\n</tool_call>", true)]
    [InlineData(CallTemplates.Hermes, "<tool_call>\n{\"name\": \"time\", \"arguments\": {}}\n</tool_call>\n<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"\"}}\n</tool_call>", true)]
    [InlineData(CallTemplates.Hermes, "<tool_call>\n{\"name\": \"time\", \"arguments\": {}}", false)]
    [InlineData(CallTemplates.Hermes, "<tool_call>\n{\"name\": \"other", false)]
    [InlineData(CallTemplates.Llama, "{\"name\": \"weather\", \"parameters\": {\"city\": \"x\"}}", true)]
    [InlineData(CallTemplates.Llama, "{\"name\": \"weather\", \"parameters\": {}}", false)]
    [InlineData(CallTemplates.Llama, "hello", false)]
    public void ACallThatMustComeIsHeldToItsSyntaxAndItsParameters(string template, string text, bool accepted)
    {
        var tokenizer = CallTemplates.Vocabulary("<tool_call>");
        var constraint = new JsonConstraints(tokenizer).Answer(new AnswerDemand { Tools = [Weather, Time], Format = AnswerFormat.Of(ChatTemplate.Parse(template, "t"), tokenizer) });
        Assert.Equal(accepted, Structure.Vocabularies.Accepts(constraint, text));
    }

    [Theory]
    [InlineData("""{"type":"object","properties":{}}""", "{}", true)]
    [InlineData("""{"type":"object","properties":{},"required":[]}""", "{\"a\": 1}", false)]
    [InlineData("""{"properties":{}}""", "{\"a\": 1}", false)]
    [InlineData("""{"type":"object","properties":{},"additionalProperties":{"type":"integer"}}""", "{\"a\": 1}", true)]
    [InlineData("""{"type":"object"}""", "{\"a\": 1}", true)]
    public void AToolThatListsNoParametersIsCalledWithNone(string parameters, string arguments, bool accepted)
    {
        var tokenizer = CallTemplates.Vocabulary();
        var demand = new AnswerDemand { Tools = [new ToolDefinition("f", parameters)], Format = AnswerFormat.Of(ChatTemplate.Parse(CallTemplates.Llama, "t"), tokenizer) };
        Assert.Equal(accepted, Structure.Vocabularies.Accepts(new JsonConstraints(tokenizer).Answer(demand), $"{{\"name\": \"f\", \"parameters\": {arguments}}}"));
    }

    // With what the model thinks before or without, in the template's order of words or in that which the model prefers.
    [Theory]
    [InlineData(" to=functions.time<|channel|>commentary json<|message|>{}", true)]
    [InlineData("<|channel|>analysis<|message|>hm {<|end|><|start|>assistant<|channel|>commentary to=functions.weather <|constrain|>json<|message|>{\"city\": \"x\"}", true)]
    [InlineData("<|channel|>commentary to=functions.weather json<|message|>{}", false)]
    [InlineData("<|channel|>final<|message|>", false)]
    [InlineData("<|channel|>analysis<|message|>hm<|end|>", false)]
    public void ACallInAChannelIsHeldToItsHeaderAndItsParameters(string text, bool accepted)
    {
        var tokenizer = CallTemplates.Vocabulary(CallTemplates.ChannelMarks);
        var format = AnswerFormat.Of(ChatTemplate.Parse(CallTemplates.Channels, "t"), tokenizer);
        Assert.True(format.HasChannels && format.HasReasoning && format.HasTools);
        Assert.Equal(accepted, Accepts(tokenizer, new JsonConstraints(tokenizer).Answer(new AnswerDemand { Tools = [Weather, Time], Format = format }), text));
    }

    [Theory]
    [InlineData("<|channel|>final<|message|>[1]", true)]
    [InlineData("<|channel|>analysis<|message|>so<|end|><|start|>assistant<|channel|>final<|message|>[1]", true)]
    [InlineData("[1]", false)]
    [InlineData("<|channel|>final<|message|>{}", false)]
    public void JsonOfASchemaIsWhatAModelOfChannelsSaysAtLast(string text, bool accepted)
    {
        var tokenizer = CallTemplates.Vocabulary(CallTemplates.ChannelMarks);
        var format = AnswerFormat.Of(ChatTemplate.Parse(CallTemplates.Channels, "t"), tokenizer);
        var schema = """{"type": "array", "items": {"type": "integer"}}""";
        Assert.Equal(accepted, Accepts(tokenizer, new JsonConstraints(tokenizer).Answer(new AnswerDemand { Schema = schema, Format = format }), text));
    }

    // After so many tokens comes the mark behind what is thought, and the header of the next message is the model's own affair.
    [Fact]
    public void WhatAModelOfChannelsThinksIsLimited()
    {
        var tokenizer = CallTemplates.Vocabulary(CallTemplates.ChannelMarks);
        var cursor = new ReasoningLimit(AnswerFormat.Of(ChatTemplate.Parse(CallTemplates.Channels, "t"), tokenizer), tokenizer, 3, beginsInReasoning: false).Begin();
        foreach (var token in tokenizer.Encode("<|channel|>analysis<|message|>abc", addBegin: false, parseSpecial: true))
        {
            Assert.Null(cursor.Allowed);
            cursor.Advance(token);
        }

        Assert.True(cursor.Allowed is { Count: 1 } only && only.Allows(tokenizer.Find("<|end|>")!.Value));
        cursor.Advance(tokenizer.Find("<|end|>")!.Value);
        Assert.Null(cursor.Allowed);
    }

    private static bool Accepts(Tokenizer tokenizer, JsonConstraint constraint, string text)
    {
        var cursor = constraint.Begin();
        foreach (var token in tokenizer.Encode(text, addBegin: false, parseSpecial: true))
        {
            if (cursor.Allowed?.Allows(token) == false)
                return false;
            cursor.Advance(token);
        }

        return cursor.IsOver;
    }

    // The mark is a control token: no bytes spell it, and nothing else may begin.
    [Fact]
    public void AMarkThatIsAControlTokenIsAllowedByItsId()
    {
        var tokenizer = CallTemplates.Vocabulary("[TOOL_CALLS]");
        var format = AnswerFormat.Of(ChatTemplate.Parse(CallTemplates.Mistral, "t"), tokenizer);
        var mark = tokenizer.Find("[TOOL_CALLS]")!.Value;
        Assert.Equal([mark], format.ShownControls);
        var cursor = new JsonConstraints(tokenizer).Answer(new AnswerDemand { Tools = [Time], Format = format, IsParallel = false }).Begin();
        Assert.Equal(1, cursor.Allowed!.Count);
        Assert.True(cursor.Allowed!.Allows(mark));
        cursor.Advance(mark);
        foreach (var value in "[{\"name\": \"time\", \"arguments\": {}}]"u8)
        {
            var token = Enumerable.Range(0, 256).First(token => tokenizer.Bytes(token) is [var only] && only == value);
            Assert.True(cursor.Allowed!.Allows(token), $"'{(char)value}'");
            cursor.Advance(token);
        }

        Assert.True(cursor.IsOver);
    }

    [Theory]
    [InlineData(false, "<think>\nany {\"x\" </thin </think>\n\n{\"a\":1}", true)]
    [InlineData(false, "{\"a\":1}", true)]
    [InlineData(false, "<think>\n", false)]
    [InlineData(true, "still\n</think>{\"a\":1}", true)]
    [InlineData(true, "{\"a\":1}", false)]
    public void WhatTheModelThinksFirstIsFree(bool begins, string text, bool accepted)
    {
        var tokenizer = CallTemplates.Vocabulary("<think>", "</think>");
        var constraint = new JsonConstraints(tokenizer).Answer(AnswerDemand.AnyObject with { Format = AnswerFormat.Of(null, tokenizer), BeginsInReasoning = begins });
        Assert.Equal(accepted, Structure.Vocabularies.Accepts(constraint, text));
    }

    [Fact]
    public void BadParametersAreRefusedByTheToolsName()
    {
        var tokenizer = CallTemplates.Vocabulary();
        var demand = new AnswerDemand { Tools = [new ToolDefinition("f", """{"properties":{"a":{"pattern":"(?=x)","type":"string"}}}""")], Format = AnswerFormat.Of(ChatTemplate.Parse(CallTemplates.Hermes, "t"), tokenizer) };
        Assert.StartsWith("parameters of the tool 'f': schema: /properties/a: the pattern", Assert.Throws<KvasirException>(() => new JsonConstraints(tokenizer).Answer(demand)).Message, StringComparison.Ordinal);
    }
}
