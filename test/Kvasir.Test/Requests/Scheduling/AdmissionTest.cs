using Kvasir.Kernels.Attention.Formats;
using Kvasir.Models;

namespace Kvasir.Test.Requests.Scheduling;

/// <summary>Who enters, in which order, and who is refused.</summary>
public sealed class AdmissionTest : IDisposable
{
    // The model has five layers of four KV heads.
    private const int HeadCount = 20;
    private static readonly long PageBytes = 2 * 32 * RowCodec.F32.RowBytes(8);
    private readonly Model _model = Generation.LoadStories();
    private readonly VirtualTime _time = new();

    private EngineOptions Options => new() { Threads = 1, Kv = KvFormat.F32, KvMemoryBytes = 64 << 20, ContextTokens = 120_000, Time = _time };

    public void Dispose() => _model.Dispose();

    [Fact]
    public void APromptBehindOneOf100000TokensHasItsFirstTokenWithinFiveSteps()
    {
        using var engine = new Engine(_model, Options with { KvMemoryBytes = 1L << 30 });
        var document = new Sequence(Prompt(100_000), Generation.Greedy(4));
        var question = new Sequence(Prompt(20), Generation.Greedy(4));
        engine.Submit(document);
        for (var step = 0; step < 3; step++)
            engine.Step();
        engine.Submit(question);
        var steps = 0;
        for (; question.GeneratedCount == 0; steps++)
            engine.Step();
        Assert.InRange(steps, 1, 5);
        Assert.InRange(document.CachedCount, 4 * 256, 8 * 512);
        document.Cancel();
    }

    [Fact]
    public void AnAnswerGoesOnInEveryStepWhateverPromptsCome()
    {
        using var engine = new Engine(_model, Options);
        var answer = new Sequence(Prompt(10), Generation.Greedy(1000));
        engine.Submit(answer);
        engine.Step();
        for (var i = 0; i < 3; i++)
            engine.Submit(new Sequence(Prompt(1500 + i), Generation.Greedy(1)));
        for (var before = answer.GeneratedCount; engine.Figures.Waiting + engine.Figures.Running > 1; before++)
        {
            engine.Step();
            Assert.Equal((before + 1, 1), (answer.GeneratedCount, engine.Figures.LastDecodeRows));
        }

        Assert.InRange(answer.GeneratedCount, 9, 70);
    }

    // Of 30 pages a head an answer of 10 and 600 tokens has 1 and may take 8 more soon: 21 are there for a prompt, and a row behind it.
    [Theory]
    [InlineData(671, false, true)]
    [InlineData(672, false, false)]
    [InlineData(608, true, true)]
    [InlineData(609, true, false)]
    public void APromptEntersWhereItFitsBesideWhatAnswersAreAboutToTake(int tokens, bool isPreempted, bool enters)
    {
        using var engine = new Engine(_model, Options with { KvMemoryBytes = 30 * HeadCount * PageBytes });
        var (answer, prompt) = (new Sequence(Prompt(10), Generation.Greedy(600)), new Sequence(Prompt(tokens), Generation.Greedy(100)));
        engine.Submit(answer);
        engine.Step();
        engine.Submit(prompt);
        // One that has run before comes again where 64 rows fit behind all that it has.
        prompt.Ticket.HasBegun = isPreempted;
        engine.Step();
        Assert.Equal(enters ? null : WaitReason.Memory, prompt.Place?.WaitsFor);
        RunToTheEnd(engine);
        Assert.Equal((FinishReason.Length, FinishReason.Length), (answer.Finish, prompt.Finish));
    }

    [Fact]
    public void AnAnswerOfAsManyTokensAsTheMemoryHoldsIsAdmittedAndAnswered()
    {
        using var engine = new Engine(_model, Options with { KvMemoryBytes = 10 * HeadCount * PageBytes });
        var answer = Generation.Run(engine, Prompt(10), Generation.Greedy(320));
        Assert.Equal((FinishReason.KvFull, 320 - 10 + 1), (answer.Sequence.Finish, answer.Tokens.Length));
        Assert.Null(answer.Sequence.Failure);
        Assert.Equal(0, engine.KvBytesInUse);
    }

    [Fact]
    public void Of300RequestsAtOnce128WaitAndOthersAreToldWhenToComeAgain()
    {
        using var engine = new Engine(_model, Options);
        var (accepted, refused) = (new List<Sequence>(), new List<KvasirException>());
        for (var i = 0; i < 300; i++)
        {
            var sequence = new Sequence(Prompt(10), Generation.Greedy(3));
            try
            {
                engine.Submit(sequence);
                accepted.Add(sequence);
            }
            catch (KvasirException refusal)
            {
                refused.Add(refusal);
            }
        }

        Assert.Equal((128, 172), (accepted.Count, refused.Count));
        Assert.All(refused, refusal => Assert.Equal(KvasirError.QueueFull, refusal.Error));
        Assert.All(refused, refusal => Assert.InRange(refusal.RetryAfter!.Value.TotalSeconds, 1, 60));
        Assert.Contains("128 sequences are waiting, and the queue holds 128", refused[0].Message, StringComparison.Ordinal);
        RunToTheEnd(engine);
        Assert.All(accepted, sequence => Assert.Equal(FinishReason.Length, sequence.Finish));
        Assert.Equal((0, 0), (engine.Figures.Waiting, engine.Figures.Running));
    }

    [Fact]
    public void AQueueCountsTokensAndBytesAndWhatEachClientHas()
    {
        using var engine = new Engine(_model, Options with { Queue = new QueueLimits { Tokens = 100, Bytes = 360, SequencesPerClient = 2, Sequences = 5 } });
        Assert.Null(Refusal(engine, 200, "a"));
        Assert.Equal(KvasirError.QueueTokensFull, Refusal(engine, 1, "b")!.Error);
        RunToTheEnd(engine);
        Assert.Null(Refusal(engine, 60, "a"));
        Assert.Equal(KvasirError.QueueTokensFull, Refusal(engine, 41, "b")!.Error);
        var bytes = Refusal(engine, 31, "b")!;
        Assert.Equal(KvasirError.QueueBytesFull, bytes.Error);
        Assert.Contains("240 bytes are waiting; 124 more are above the limit of 360", bytes.Message, StringComparison.Ordinal);
        Assert.Null(Refusal(engine, 10, "a"));
        var own = Refusal(engine, 10, "a")!;
        Assert.Equal(KvasirError.ClientQueueFull, own.Error);
        Assert.Contains("2 sequences of this client are waiting, and 2 may", own.Message, StringComparison.Ordinal);
        Assert.Null(Refusal(engine, 5, null));
        Assert.Null(Refusal(engine, 5, null));
        Assert.Null(Refusal(engine, 5, null));
        Assert.Equal(KvasirError.QueueFull, Refusal(engine, 1, null)!.Error);
        Assert.Equal(
            [new ClientFigures(null, 0, 3, 0), new ClientFigures("a", 0, 2, 200 + 1)], engine.Figures.Clients.Select(client => client with { TurnTokens = client.Name is null ? 0 : client.TurnTokens }));
        RunToTheEnd(engine);
    }

    [Fact]
    public void ClientsTakeTurnsByWhatWasComputedForThem()
    {
        using var engine = new Engine(_model, Options with { MaxSequences = 1 });
        var order = new List<string>();
        foreach (var name in new[] { "a", "a", "a", "a", "b", "b", "c" })
            Submit(engine, 40, name, order);
        RunToTheEnd(engine);
        Assert.Equal(["a", "b", "c", "a", "b", "a", "a"], order);
    }

    [Fact]
    public void NobodySavesTurnsUpByStayingAway()
    {
        using var engine = new Engine(_model, Options with { MaxSequences = 1 });
        var order = new List<string>();
        for (var i = 0; i < 6; i++)
            Submit(engine, 40, "busy", order);
        while (order.Count < 4)
            engine.Step();
        // Had it begun at nothing, all three would go before the one that is left.
        for (var i = 0; i < 3; i++)
            Submit(engine, 40, "late", order);
        RunToTheEnd(engine);
        Assert.Equal(["busy", "busy", "busy", "busy", "late", "busy", "late", "busy", "late"], order.Take(4).Concat(order.Skip(4)).ToArray());
    }

    [Fact]
    public void PriorityGoesFirstAndWaitingRaisesIt()
    {
        using var engine = new Engine(_model, Options with { MaxSequences = 1 });
        var order = new List<string>();
        Submit(engine, 10, "old", order, priority: 2);
        _time.Advance(TimeSpan.FromSeconds(59));
        Submit(engine, 10, "plain", order);
        Submit(engine, 10, "urgent", order, priority: -5);
        Submit(engine, 10, "lazy", order, priority: 5);
        RunToTheEnd(engine);
        Assert.Equal(["urgent", "plain", "old", "lazy"], order);

        order.Clear();
        Submit(engine, 10, "old", order, priority: 2);
        _time.Advance(TimeSpan.FromSeconds(60));
        Submit(engine, 10, "plain", order);
        RunToTheEnd(engine);
        Assert.Equal(["old", "plain"], order);
    }

    [Fact]
    public void AClientHasNoMoreRunningThanItMayAndOthersPassIt()
    {
        using var engine = new Engine(_model, Options with { MaxSequencesPerClient = 2 });
        Sequence[] own = [.. Enumerable.Range(0, 4).Select(_ => Submit(engine, 10, "a"))];
        var other = Submit(engine, 10, "b");
        engine.Step();
        Assert.Equal([1, 1, 0, 0, 1], own.Append(other).Select(sequence => sequence.GeneratedCount));
        Assert.Equal(WaitReason.ClientPlace, own[2].Place!.Value.WaitsFor);
        RunToTheEnd(engine);
        Assert.All(own, sequence => Assert.Equal(FinishReason.Length, sequence.Finish));
    }

    [Fact]
    public void OneThatIsCancelledLeavesTheQueueAtOnceWhereverItStands()
    {
        using var engine = new Engine(_model, Options with { MaxSequences = 1 });
        Sequence[] all = [.. Enumerable.Range(0, 5).Select(_ => Submit(engine, 10, null))];
        engine.Step();
        Assert.Equal(4, engine.WaitingCount);
        all[3].Cancel();
        Assert.Equal((3, FinishReason.Cancelled), (engine.WaitingCount, all[3].Finish));
        all[1].Cancel();
        Assert.Equal((2, FinishReason.Cancelled, 20L), (engine.WaitingCount, all[1].Finish, engine.Figures.WaitingTokens));
        RunToTheEnd(engine);
        Assert.Equal([3, 0, 3, 0, 3], all.Select(sequence => sequence.GeneratedCount));
        Assert.Equal(0, all[3].CachedCount);
    }

    [Fact]
    public void ADeadlineThatPassesInTheQueueIsAnErrorAndNothingIsComputed()
    {
        using var engine = new Engine(_model, Options with { MaxSequences = 1 });
        var first = Submit(engine, 10, null);
        engine.Step();
        var late = new Sequence(Prompt(10), Generation.Greedy(3) with { Deadline = TimeSpan.FromMilliseconds(500) });
        engine.Submit(late);
        _time.Advance(TimeSpan.FromMilliseconds(499));
        engine.Step();
        Assert.Equal(FinishReason.None, late.Finish);
        _time.Advance(TimeSpan.FromMilliseconds(2));
        engine.Step();
        Assert.Equal((FinishReason.Failed, KvasirError.DeadlineExceeded, 0), (late.Finish, late.Failure!.Error, late.GeneratedCount));
        Assert.Contains("deadline of 500 ms passed: 501 ms after the request came it is in the queue", late.Failure.Message, StringComparison.Ordinal);
        RunToTheEnd(engine);
        Assert.Equal((FinishReason.Length, 1L), (first.Finish, engine.Figures.LateWaiting));
    }

    [Fact]
    public void ADeadlineThatPassesWhileAnAnswerComesIsAnErrorAndNoLength()
    {
        using var engine = new Engine(_model, Options with { RequestTimeout = TimeSpan.FromSeconds(2) });
        var sequence = new Sequence(Prompt(10), Generation.Greedy(50) with { Deadline = TimeSpan.FromSeconds(5) });
        engine.Submit(sequence);
        for (var step = 0; step < 4; step++)
            engine.Step();
        _time.Advance(TimeSpan.FromSeconds(2));
        engine.Step();
        Assert.Equal((FinishReason.Failed, KvasirError.DeadlineExceeded, 4), (sequence.Finish, sequence.Failure!.Error, sequence.GeneratedCount));
        Assert.Equal((0L, 1L), (engine.KvBytesInUse, engine.Figures.LateRunning));
    }

    [Fact]
    public void WhoeverWaitsLongerThanTheQueueAllowsIsRefusedWithATimeToComeAgain()
    {
        using var engine = new Engine(_model, Options with { MaxSequences = 1 });
        Submit(engine, 10, null);
        engine.Step();
        var late = Submit(engine, 10, null);
        _time.Advance(TimeSpan.FromSeconds(601));
        engine.Step();
        Assert.Equal(KvasirError.QueueTimeout, late.Failure!.Error);
        Assert.InRange(late.Failure.RetryAfter!.Value.TotalSeconds, 1, 60);
        RunToTheEnd(engine);
    }

    [Fact]
    public void AWaitingSequenceSaysWhereItStandsAndWhatItWaitsFor()
    {
        using var engine = new Engine(_model, Options with { MaxSequences = 2, KvMemoryBytes = 8 * HeadCount * PageBytes });
        var long1 = new Sequence(Prompt(150), Generation.Greedy(60));
        engine.Submit(long1);
        Assert.Equal(new QueuePlace(1, 1, WaitReason.Place, false), long1.Place);
        engine.Step();
        Assert.Null(long1.Place);
        var big = new Sequence(Prompt(120), Generation.Greedy(3));
        var small = new Sequence(Prompt(5), Generation.Greedy(3));
        engine.Submit(big);
        engine.Submit(small);
        engine.Step();
        Assert.Equal(new QueuePlace(1, 2, WaitReason.Memory, false), big.Place);
        Assert.Equal(new QueuePlace(2, 2, WaitReason.Turn, false), small.Place);
        RunToTheEnd(engine);
        Assert.Null(small.Place);
    }

    [Fact]
    public void UnfinishedPromptsAreFewAndThoseThatAStepFinishesDoNotCount()
    {
        using var engine = new Engine(_model, Options with { MaxPrefills = 2, BatchTokens = 64 });
        Sequence[] documents = [.. Enumerable.Range(0, 3).Select(_ => Submit(engine, 400, null))];
        engine.Step();
        Assert.Equal((2, WaitReason.Prompts), (engine.RunningCount, documents[2].Place!.Value.WaitsFor));
        RunToTheEnd(engine);

        for (var i = 0; i < 10; i++)
            Submit(engine, 6, null);
        engine.Step();
        Assert.Equal((10, 60), (engine.RunningCount, engine.Figures.LastPromptRows));
        RunToTheEnd(engine);
    }

    private static void RunToTheEnd(Engine engine)
    {
        while (engine.Step())
            engine.Verify();
    }

    private KvasirException? Refusal(Engine engine, int tokens, string? client)
    {
        try
        {
            engine.Submit(new Sequence(Prompt(tokens), Generation.Greedy(2) with { Client = client }));
            return null;
        }
        catch (KvasirException refusal)
        {
            return refusal;
        }
    }

    private Sequence Submit(Engine engine, int tokens, string? client, List<string>? order = null, int priority = 0)
    {
        var sequence = new Sequence(
            Prompt(tokens), Generation.Greedy(3) with { Client = client, Priority = priority, Logits = order is null ? null : (step, _) => order.AddRange(step == 0 ? [client!] : []) });
        engine.Submit(sequence);
        return sequence;
    }

    private static int[] Prompt(int count) => [.. Enumerable.Range(0, count).Select(i => 300 + (i * 7 % 100))];
}
