using CsCheck;
using Kvasir.Calls;
using Kvasir.Text;

namespace Kvasir.Test.Calls;

public sealed class AnswerSplitterTest
{
    private static readonly Dictionary<string, AnswerFormat> Formats = new()
    {
        ["hermes"] = AnswerFormat.Of(ChatTemplate.Parse(CallTemplates.Hermes, "hermes"), CallTemplates.Vocabulary("<think>", "</think>", "<tool_call>", "</tool_call>")),
        ["llama"] = AnswerFormat.Of(ChatTemplate.Parse(CallTemplates.Llama, "llama"), CallTemplates.Vocabulary()),
        ["mistral"] = AnswerFormat.Of(ChatTemplate.Parse(CallTemplates.Mistral, "mistral"), CallTemplates.Vocabulary("[TOOL_CALLS]")),
        ["channels"] = AnswerFormat.Of(ChatTemplate.Parse(CallTemplates.Channels, "channels"), CallTemplates.Vocabulary(CallTemplates.ChannelMarks)),
    };

    private static readonly string[] Words = ["<tool_call>", "</tool_call>", "[TOOL_CALLS]", "{", "}", "[", "]", "\"", "name", ":", "arguments", " ", "\n", "x", "\\", "é", ","];

    [Theory]
    [InlineData("hermes", "plain <b>text</b>", "C:plain <b>text</b>")]
    [InlineData("hermes", "<think>\nhm, 2 < 3\n</think>\n\nyes", "R:hm, 2 < 3|C:yes")]
    [InlineData("hermes", "<think>never closed", "R:never closed")]
    [InlineData("hermes", "ok\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": \"}<\\\"\", \"b\": [1]}}\n</tool_call>", "C:ok\n|f({\"a\": \"}<\\\"\", \"b\": [1]})")]
    [InlineData("hermes", "<tool_call>{\"name\":\"f\",\"arguments\":{}}</tool_call>\n<tool_call>{\"arguments\":{\"x\":1},\"name\":\"g\"}</tool_call>", "f({})|g({\"x\":1})")]
    [InlineData("hermes", "<tool_call>\nno call</tool_call> then", "C:<tool_call>\nno call</tool_call> then")]
    [InlineData("hermes", "<tool_call>{\"nam\": 1}</tool_call>", "C:<tool_call>{\"nam\": 1}</tool_call>")]
    [InlineData("hermes", "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": \"cut he", "f({\"a\": \"cut he!")]
    [InlineData("hermes", "<tool_call>{\"name\": \"f\", \"arg", "C:<tool_call>{\"name\": \"f\", \"arg")]
    [InlineData("hermes", "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": b}}</tool_call> and", "f({\"a\": b}|C: and!")]
    [InlineData("hermes", "a <tool_ca", "C:a <tool_ca")]
    [InlineData("hermes", "<tool_call>{\"name\": \"f\"}</tool_call> and more", "f({})|C: and more")]
    [InlineData("llama", "{\"name\": \"f\", \"parameters\": {\"a\": 1}}", "f({\"a\": 1})")]
    [InlineData("llama", "{\"name\": \"f\", \"parameters\": {}}; {\"name\": \"g\", \"parameters\": {\"b\": 2}}", "f({})|g({\"b\": 2})")]
    [InlineData("llama", "{\"answer\": 42} it is", "C:{\"answer\": 42} it is")]
    [InlineData("llama", "text {\"name\": \"f\", \"parameters\": {}}", "C:text {\"name\": \"f\", \"parameters\": {}}")]
    [InlineData("mistral", "[TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {\"a\": 1}, \"id\": \"123456789\"}, {\"name\": \"g\", \"arguments\": {}}]", "f({\"a\": 1})|g({})")]
    [InlineData("mistral", "well [1, 2] [TOOL", "C:well [1, 2] [TOOL")]
    [InlineData("channels", "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>yes<|return|>more", "R:hm|C:yes")]
    [InlineData("channels", "<|channel|>analysis<|message|>so<|end|><|start|>assistant<|channel|>commentary to=functions.f <|constrain|>json<|message|>{\"a\": 1}<|call|>", "R:so|f({\"a\": 1})")]
    [InlineData("channels", " to=functions.f<|channel|>commentary json<|message|>{\"a\": 1}", "f({\"a\": 1})")]
    [InlineData("channels", "<|channel|>commentary to=functions.f json<|message|>{\"a", "f({\"a!")]
    [InlineData("channels", "<|channel|>commentary to=functions.f<|message|><|call|>", "f({})")]
    [InlineData("channels", "<|channel|>commentary<|message|>I look.<|end|><|start|>assistant<|channel|>final<|message|>done", "C:I look.\n\ndone")]
    [InlineData("channels", "<|channel|>commentary to=browser.open<|message|>{}", "C:{}")]
    [InlineData("channels", "<|channel|>analysis<|message|>never ended <|en", "R:never ended <|en")]
    [InlineData("channels", "<|channel|>analysis<|message|>cut<|end|><|start|>assist", "R:cut")]
    [InlineData("channels", "to be", "C:to be")]
    [InlineData("channels", "<b>t", "C:<b>t")]
    public void PartsAreTheSameHoweverTheTextIsCut(string format, string text, string parts)
    {
        Assert.Equal(parts, Joined(Formats[format], [text]));
        Assert.Equal(parts, Joined(Formats[format], text.Select(static c => c.ToString())));
        Gen.Int[1, 7].Array[text.Length].Sample(
            sizes =>
            {
                var (pieces, at) = (new List<string>(), 0);
                foreach (var size in sizes)
                {
                    pieces.Add(text.Substring(at, Math.Min(size, text.Length - at)));
                    at += pieces[^1].Length;
                }

                Assert.Equal(parts, Joined(Formats[format], pieces));
            },
            iter: 30);
    }

    // Whatever a model writes: no cut of it changes the parts, and without a call or a mark they are the text.
    [Theory]
    [InlineData("hermes")]
    [InlineData("llama")]
    [InlineData("mistral")]
    [InlineData("channels")]
    public void NothingIsLostOfTextThatIsNoCall(string format) => Gen.Int[0, Words.Length - 1].Array[0, 20].Sample(
        words =>
        {
            var pieces = words.Select(static word => Words[word]).ToArray();
            var text = string.Concat(pieces);
            var joined = Joined(Formats[format], pieces);
            Assert.Equal(Joined(Formats[format], [text]), joined);
            if (!joined.Contains('(', StringComparison.Ordinal))
                Assert.Equal(text.Length == 0 ? "" : $"C:{text}", joined);
        },
        iter: 3000);

    [Fact]
    public void WhereOneCallIsAllowedTheAnswerIsOverBehindIt()
    {
        var splitter = new AnswerSplitter(Formats["hermes"], hasTools: true, isParallel: false);
        var parts = splitter.Push("<tool_call>{\"name\":\"f\",\"arguments\":{}}</tool_call><tool_call>{\"name\":\"g\"");
        Assert.Equal([AnswerPartKind.CallBegin, AnswerPartKind.CallArguments, AnswerPartKind.CallEnd], parts.Select(static part => part.Kind));
        Assert.True(splitter.IsOver && splitter.CallsAreComplete);
        Assert.Empty(splitter.Finish());
    }

    [Theory]
    [InlineData("<think>END</think>before the END of it", "R:END|C:before the ", 0)]
    [InlineData("a EN<tool_call>{\"name\":\"f\",\"arguments\":{\"a\":\"END\"}}</tool_call>D", "C:a EN|f({\"a\":\"END\"})|C:D", -1)]
    [InlineData("no end of STOPPED", "C:no end of ", 1)]
    [InlineData("an END before a STOP", "C:an ", 0)]
    [InlineData("nearly an EN", "C:nearly an EN", -1)]
    public void AStopEndsWhatIsSaidAndIsTextElsewhere(string text, string parts, int stop)
    {
        string[] stops = ["END", "STOP"];
        for (var size = 1; size <= text.Length; size++)
        {
            var splitter = new AnswerSplitter(Formats["hermes"], hasTools: true, stops: stops);
            Assert.Equal(parts, Joined(splitter, text.Chunk(size).Select(static piece => new string(piece))));
            Assert.Equal((stop, stop >= 0), (splitter.MatchedStop, splitter.IsOver));
        }
    }

    [Fact]
    public void IdsAreUniqueAndOfTheFormThatClientsKnow()
    {
        var splitter = new AnswerSplitter(Formats["hermes"], hasTools: true);
        var ids = Enumerable.Range(0, 100).SelectMany(_ => splitter.Push("<tool_call>{\"name\":\"f\",\"arguments\":{}}</tool_call>")).Select(static part => part.CallId).OfType<string>().ToList();
        Assert.Equal(100, ids.Distinct().Count());
        Assert.All(ids, static id => Assert.Matches("^call_[0-9A-Za-z]{24}$", id));
    }

    [Fact]
    public void AnAnswerThatBeginsInsideReasoningIsReasoningUpToTheMark()
    {
        var splitter = new AnswerSplitter(Formats["hermes"], beginsInReasoning: true);
        Assert.Equal([new AnswerPart(AnswerPartKind.Reasoning, "so"), new AnswerPart(AnswerPartKind.Content, "yes")], [.. splitter.Push("\nso\n</think>\nyes"), .. splitter.Finish()]);
    }

    [Fact]
    public void AnAnswerThatBeginsInAChannelNeedsNoHeader()
    {
        var splitter = new AnswerSplitter(Formats["channels"], hasTools: true, isParallel: false, beginsInReasoning: true, ["END"]);
        Assert.True(splitter.IsReasoning);
        Assert.Equal("R:so END|C:y", Joined(splitter, ["so END<|end|><|sta", "rt|>assistant<|channel|>final<|message|>yE", "ND more"]));
        Assert.Equal((0, true, false), (splitter.MatchedStop, splitter.IsOver, splitter.IsReasoning));
    }

    private static string Joined(AnswerFormat format, IEnumerable<string> pieces) => Joined(new AnswerSplitter(format, hasTools: true), pieces);

    private static string Joined(AnswerSplitter splitter, IEnumerable<string> pieces)
    {
        var parts = pieces.SelectMany(splitter.Push).ToList();
        parts.AddRange(splitter.Finish());
        var (text, last) = (new System.Text.StringBuilder(), (AnswerPartKind?)null);
        foreach (var part in parts)
        {
            if (part.Kind is AnswerPartKind.Content or AnswerPartKind.Reasoning && part.Kind != last)
                text.Append(text.Length > 0 ? "|" : "").Append(part.Kind == AnswerPartKind.Content ? "C:" : "R:");
            text.Append(part.Kind switch { AnswerPartKind.CallBegin => $"{(text.Length > 0 ? "|" : "")}{part.Text}(", AnswerPartKind.CallEnd => ")", _ => part.Text });
            last = part.Kind;
        }

        return text.Append(splitter.CallsAreComplete ? "" : "!").ToString();
    }
}
