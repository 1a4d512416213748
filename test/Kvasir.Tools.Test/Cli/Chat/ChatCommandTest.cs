using Kvasir.Cli.Shared;

namespace Kvasir.Tools.Test.Cli.Chat;

public sealed class ChatCommandTest : IDisposable
{
    private readonly TempFolder _folder = new();
    private readonly string _model;

    public ChatCommandTest() => _model = ChatModel.Create(_folder.Path);

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void LaterTurnsSeeTheEarlierOnes()
    {
        var chat = Chat("Once upon a time\n and so\n", "--json", "--max-tokens", "5").Json;
        Assert.Equal(["1", "2"], chat.Select(turn => turn["turn"]!.ToString()));
        var whole = Run("Once upon a time" + chat[0]["text"] + " and so", "--max-tokens", "5", "--json", "--raw").Json[0];
        Assert.Equal(whole["usage"]!.ToJsonString(), chat[1]["usage"]!.ToJsonString());
        Assert.Equal(whole["text"]!.ToString(), chat[1]["text"]!.ToString());
    }

    [Fact]
    public void ALaterTurnComputesOnlyWhatIsNew()
    {
        var first = string.Concat(Enumerable.Repeat("Tom and Lily went to the park. ", 20));
        string[] args = ["chat", _model, "--temperature", "0", "--max-tokens", "20", "--context", "512"];
        var turns = CliRun.With($"{first}\nThey saw a dog.\n", [.. args, "--json"]).Json;
        Assert.Null(turns[0]["usage"]!["cachedTokens"]);
        // Whole columns of 32 tokens.
        var (prompt, cached) = (turns[0]["usage"]!["promptTokens"]!.GetValue<int>(), turns[1]["usage"]!["cachedTokens"]!.GetValue<int>());
        Assert.InRange(cached, prompt / 32 * 32, turns[1]["usage"]!["promptTokens"]!.GetValue<int>() - 1);
        Assert.Contains($"{cached} of ", CliRun.With($"{first}\nThey saw a dog.\n/stats\n", args).Error, StringComparison.Ordinal);
    }

    [Fact]
    public void ClearForgetsAndInstructionsStandInFront()
    {
        var chat = Chat("One\n/clear\nOnce\n/system Be kind\n/clear\nOnce\n/system\n/clear\nOnce\n", "--json", "--max-tokens", "3").Json;
        var tokens = chat.Select(turn => turn["usage"]!["promptTokens"]!.GetValue<int>()).ToArray();
        Assert.Equal(tokens[0], tokens[1]);
        Assert.True(tokens[2] > tokens[1]);
        Assert.Equal(tokens[1], tokens[3]);
        Assert.Equal(chat[1]["text"]!.ToString(), chat[3]["text"]!.ToString());
    }

    [Fact]
    public void TextAnswersStandAloneOnTheOutput()
    {
        var chat = Chat("Once upon a time\n", "--max-tokens", "5");
        Assert.Equal((0, ", there was a little\n", ""), (chat.ExitCode, chat.Output, chat.Error));
    }

    [Fact]
    public void CommandsAnswerOnTheErrorStream()
    {
        var chat = Chat("/help\n/stats\nOnce\n/stats\n/frob\n/quit\nnever read\n", "--max-tokens", "2");
        Assert.Equal(0, chat.ExitCode);
        Assert.Single(chat.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        foreach (var expected in new[] { "/clear ", "/system TEXT", "/stats ", "/quit ", "no answer yet\n", "decode 2 tokens", "conversation: 2 messages, ", " of 512 tokens\n", "/frob is no command" })
            Assert.Contains(expected, chat.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void AnAuditIsShownAfterEachAnswer()
    {
        string[] args = ["chat", _model, "--temperature", "0", "--max-tokens", "40", "--attention", "streaming:recent=8,min-context=0", "--audit", "0.5"];
        var lines = CliRun.With("Once upon a time\n/stats\n", args).Error.Split('\n');
        Assert.Equal(2, lines.Count(static line => line.StartsWith("audit of ", StringComparison.Ordinal)));
        Assert.True(CliRun.With("Once upon a time\n", [.. args, "--json"]).Json[0]["audit"]!["auditedHeads"]!.GetValue<int>() > 100);
    }

    [Fact]
    public void QuotesHoldSeveralLinesAndSlashesEscape()
    {
        var chat = Chat("\"\"\"Once\nupon\"\"\"\n/clear\n//help\n/clear\n/etc/hosts\n", "--json", "--max-tokens", "1").Json;
        Assert.Equal(PromptTokens("Once\nupon"), chat[0]["usage"]!["promptTokens"]!.GetValue<int>());
        Assert.Equal(PromptTokens("/help"), chat[1]["usage"]!["promptTokens"]!.GetValue<int>());
        Assert.Equal(PromptTokens("/etc/hosts"), chat[2]["usage"]!["promptTokens"]!.GetValue<int>());
    }

    [Fact]
    public void AConversationThatOutgrowsTheContextIsKept()
    {
        var chat = Chat($"Once upon a time\n{string.Concat(Enumerable.Repeat("far away ", 60))}\n there\n", "--json", "--max-tokens", "4", "--context", "64");
        Assert.Equal(1, chat.ExitCode);
        Assert.Matches(@"^kvasir: the prompt of \d+ tokens leaves no room in the context of 64; the conversation is kept as it was before this message, /clear begins a new one\n$", chat.Error);
        Assert.Equal("contextExceeded", chat.Json[1]["error"]!["kind"]!.ToString());
        var without = Chat("Once upon a time\n there\n", "--json", "--max-tokens", "4", "--context", "64").Json;
        Assert.Equal(without[1]["usage"]!.ToJsonString(), chat.Json[2]["usage"]!.ToJsonString());
    }

    [Fact]
    public void AFullContextEndsTheAnswerWithBothNumbers()
    {
        var chat = Chat("Once upon a time\n", "--context", "20");
        Assert.Equal(
            "kvasir: the context of 20 tokens is full (5 of conversation, 15 of answer), so the answer stops here; /clear begins a new conversation, --context allows a longer one\n", chat.Error);
        Assert.Equal(0, chat.ExitCode);
    }

    [Fact]
    public void WhatTheTemplateRefusesIsOneLine()
    {
        var chat = Chat("evil\nOnce\n", "--max-tokens", "2");
        Assert.Equal(1, chat.ExitCode);
        Assert.Matches(@"^kvasir: .*chat_template\.jinja.*no evil here; the conversation is kept as it was before this message\n$", chat.Error);
        Assert.NotEqual("", chat.Output);
    }

    [Fact]
    public void ModelsWithoutATemplateAreSentToRun() =>
        CliRun.Of("chat", TestModels.StoriesGguf, "-q").AssertFails(
            1, $"kvasir: {TestModels.StoriesGguf} has no chat template, so it completes text only: kvasir run {TestModels.StoriesGguf} \"Once upon a time\"");

    [Fact]
    public void InterruptStopsTheAnswerAndKeepsTheChatAtATerminal()
    {
        var run = Typed("Once upon a time\r/stats\r\u0003", interruptsAt: "girl");
        Assert.Equal(0, run.ExitCode);
        Assert.StartsWith(", there was a little girl", run.Output, StringComparison.Ordinal);
        Assert.True(run.Output.Length < 60, run.Output);
        Assert.Contains("interrupted; the answer is kept as far as it came\n", run.Error, StringComparison.Ordinal);
        Assert.Contains("conversation: 2 messages", run.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(ExitCode.Terminated)]
    [InlineData(ExitCode.HungUp)]
    public void ATerminationSignalEndsTheChatAtATerminalToo(int code)
    {
        var run = Typed("Once upon a time\r/stats\r\u0004", interruptsAt: "girl", code);
        Assert.Equal(code, run.ExitCode);
        Assert.DoesNotContain("conversation:", run.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void ASignalAtThePromptPutsTheTerminalInOrder(bool quits)
    {
        var (interrupts, error) = (new Interrupts(), new StringWriter());
        var shell = new Shell(new StringReader(""), new StringWriter(), error)
        {
            InputIsTerminal = true,
            ErrorIsTerminal = true,
            Interrupts = interrupts,
            ReadKey = () =>
            {
                Assert.False(quits ? interrupts.Abandon() : interrupts.Raise(ExitCode.Terminated));
                Assert.EndsWith("\e[?2004l\n", error.ToString(), StringComparison.Ordinal);
                return Key.Of('\u0004');
            },
        };
        Assert.Equal(0, CliRun.With(shell, "chat", _model).ExitCode);
    }

    [Theory]
    [InlineData(4_000)]
    [InlineData(64_000)]
    public void APasteIsDrawnOnceForAllKeysThatWait(int count)
    {
        var (text, next) = ($"\e[200~{string.Concat(Enumerable.Repeat("one two\r", count / 8))}\e[201~\u0003", 0);
        var error = new StringWriter();
        var shell = new Shell(new StringReader(""), new StringWriter(), error)
        {
            InputIsTerminal = true,
            ErrorIsTerminal = true,
            ReadKey = () => Key.Of(text[next++]),
            // As much as a terminal hands over at once.
            HasKey = () => next % 1024 != 0 && next < text.Length - 1,
        };
        Assert.Equal(0, CliRun.With(shell, "chat", _model, "-q").ExitCode);
        Assert.Equal(text.Length, next);
        Assert.True(error.ToString().Length < 1000 + (count / 4), $"{error.ToString().Length} characters drawn for {count}");
    }

    [Fact]
    public void ADamagedTemplateIsRefusedWithTheWayAroundIt()
    {
        File.WriteAllText(Path.Combine(_model, "chat_template.jinja"), "{% for m in messages %}{{ m.content }");
        var run = Run("Once upon a time");
        Assert.Equal((1, ""), (run.ExitCode, run.Output));
        Assert.Matches(@"^kvasir: .*chat_template\.jinja.*; --raw does without the template\n$", run.Error);
        Assert.Equal(0, Run("Once upon a time", "--raw", "--max-tokens", "2").ExitCode);
    }

    [Fact]
    public void InterruptEndsAScript()
    {
        var interrupts = new Interrupts();
        var output = new WatchedWriter(static text => text.Length > 10, () => interrupts.Raise(ExitCode.Interrupted));
        var shell = new Shell(new StringReader("Once upon a time\nand\n"), output, new StringWriter()) { Interrupts = interrupts };
        Assert.Equal(130, CliRun.With(shell, "chat", _model, "--temperature", "0", "-q").ExitCode);
    }

    [Fact]
    public void EndOfInputLeavesTheChat() => Assert.Equal((0, ""), (Typed("\u0004").ExitCode, Typed("\u0004").Output));

    private CliRun Chat(string input, params string[] args) => CliRun.With(input, ["chat", _model, "--temperature", "0", "-q", .. args]);

    private CliRun Run(string prompt, params string[] args) => CliRun.With(prompt, ["run", _model, "--temperature", "0", "-q", .. args]);

    private int PromptTokens(string text) => Run(text, "--max-tokens", "1", "--json", "--raw").Json[0]["usage"]!["promptTokens"]!.GetValue<int>();

    private CliRun Typed(string keys, string? interruptsAt = null, int code = ExitCode.Interrupted)
    {
        var (interrupts, next) = (new Interrupts(), 0);
        var output = new WatchedWriter(text => interruptsAt is not null && text.Contains(interruptsAt, StringComparison.Ordinal), () => interrupts.Raise(code));
        var shell = new Shell(new StringReader(""), output, new StringWriter())
        {
            InputIsTerminal = true,
            ErrorIsTerminal = true,
            Interrupts = interrupts,
            ReadKey = () => Key.Of(keys[next++]),
        };
        return CliRun.With(shell, "chat", _model, "--temperature", "0");
    }
}
