using Kvasir.Kernels.Attention.Formats;
using Kvasir.Models;
using Kvasir.Requests;
using Kvasir.Requests.Scheduling;

namespace Kvasir.Test.Requests.Scheduling;

/// <summary>Who gives way when memory is short, and that everybody ends all the same.</summary>
public sealed class PreemptionTest : IDisposable
{
    // The model has five layers of four KV heads.
    private const int HeadCount = 20;
    private static readonly EngineOptions Exact = new() { Threads = 1, Kv = KvFormat.F32, KvMemoryBytes = 64 << 20, ContextTokens = 4096 };
    private readonly Model _model = Generation.LoadStories();

    public void Dispose() => _model.Dispose();

    // Three answers of 700 tokens and 26 pages a head: one alone takes 23.
    [Fact]
    [Trait("Needs", "Minutes")]
    public void ThreeThatOutgrowTheMemoryTogetherAllEndAndEachStepMakesProgress()
    {
        using var engine = new Engine(_model, Tight(26));
        Sequence[] sequences = [.. Enumerable.Range(0, 3).Select(i => new Sequence(Prompt(20 + i), Generation.Greedy(700)))];
        foreach (var sequence in sequences)
            engine.Submit(sequence);
        var rows = 0L;
        while (engine.Step())
        {
            engine.Verify();
            var figures = engine.Figures;
            Assert.True(figures.PromptRows + figures.DecodeRows > rows || figures.Running + figures.Preempted == 0, $"nothing was computed in step {figures.Steps}");
            rows = figures.PromptRows + figures.DecodeRows;
        }

        Assert.All(sequences, sequence => Assert.InRange(sequence.Ticket.Preemptions, 0, Ticket.MostPreemptions));
        Assert.InRange(engine.Figures.Preemptions, 1, 9);
        Assert.InRange(engine.Figures.RecomputedRows, 1, 9 * 720);
        for (var i = 0; i < 3; i++)
            Generation.Read(sequences[i]).AssertEquals(Generation.Run(_model, Exact, Prompt(20 + i), Generation.Greedy(700)), 1e-2, $"member {i}");
    }

    [Fact]
    public void TheLowestPriorityGivesWayAndOfEqualOnesWhoLosesLeast()
    {
        Assert.Equal(0, FirstToGiveWay(Tight(25), [(100, 5), (60, 0), (80, 0)]));
        Assert.Equal(1, FirstToGiveWay(Tight(25), [(100, 0), (60, 0), (80, 0)]));
        Assert.Equal(2, FirstToGiveWay(Tight(25), [(80, 0), (80, 0), (80, 0)]));
    }

    [Fact]
    public void WhoGaveWayThreeTimesTakesAllThatItNeedsBeforeItComesAgain()
    {
        using var engine = new Engine(_model, Tight(26));
        var (small, large) = (new Sequence(Prompt(20), Generation.Greedy(400)), new Sequence(Prompt(100), Generation.Greedy(700)));
        engine.Submit(large);
        engine.Submit(small);
        engine.Step();
        small.Ticket.Preemptions = Ticket.MostPreemptions - 1;
        while (small.Ticket.Preemptions < Ticket.MostPreemptions && engine.Step())
            engine.Verify();
        Assert.Equal((Ticket.MostPreemptions, true), (small.Ticket.Preemptions, small.Place!.Value.IsPreempted));
        while (small.Place is not null)
            engine.Step();
        Assert.True(large.Finish != FinishReason.None || small.Attention!.Cache!.ReservedRows == small.TokenLimit);
        while (engine.Step())
            engine.Verify();
        Assert.Equal((FinishReason.Length, FinishReason.Length, 3), (small.Finish, large.Finish, small.Ticket.Preemptions));
    }

    [Fact]
    public void OneThatWaitsAgainCanBeCancelledAtOnce()
    {
        using var engine = new Engine(_model, Tight(26));
        Sequence[] sequences = [.. Enumerable.Range(0, 2).Select(i => new Sequence(Prompt(20 + i), Generation.Greedy(700)))];
        foreach (var sequence in sequences)
            engine.Submit(sequence);
        while (engine.Figures.Preempted == 0)
            engine.Step();
        var victim = Array.Find(sequences, sequence => sequence.Place is not null)!;
        var tokens = victim.GeneratedCount;
        victim.Cancel();
        Assert.Equal((FinishReason.Cancelled, 0), (victim.Finish, engine.WaitingCount));
        Assert.Equal(tokens, Generation.Read(victim).Tokens.Length);
        while (engine.Step())
            engine.Verify();
        Assert.Equal(0, engine.KvBytesInUse);
    }

    // Steps until somebody gives way, and says who.
    private int FirstToGiveWay(EngineOptions options, (int Rows, int Priority)[] requests)
    {
        using var engine = new Engine(_model, options);
        Sequence[] sequences = [.. requests.Select(request => new Sequence(Prompt(request.Rows), Generation.Greedy(255) with { Priority = request.Priority }))];
        foreach (var sequence in sequences)
            engine.Submit(sequence);
        while (engine.Figures.Preemptions == 0)
            engine.Step();
        return Array.FindIndex(sequences, sequence => sequence.Ticket.Preemptions > 0);
    }

    private static EngineOptions Tight(int pages) => Exact with { KvMemoryBytes = (long)pages * HeadCount * 2 * 32 * RowCodec.F32.RowBytes(8) };

    private static int[] Prompt(int count) => [.. Enumerable.Range(0, count).Select(i => 300 + (i * 7 % 100))];
}
