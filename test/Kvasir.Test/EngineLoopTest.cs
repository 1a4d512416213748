using CsCheck;
using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Test;

/// <summary>Many threads at one loop: whoever submits has an answer, whoever cancels an end, and whoever comes after the end is told so.</summary>
public sealed class EngineLoopTest : IDisposable
{
    private const int AnswerCount = 30;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private static readonly EngineOptions Small = new() { Threads = 1, Kv = KvFormat.F32, KvMemoryBytes = 8 << 20, MaxSequences = 3, BatchTokens = 32, Queue = new QueueLimits { Sequences = 64 } };
    private readonly Model _model = Generation.LoadStories();
    private readonly int[] _text;
    private readonly int[][] _alone;

    public EngineLoopTest()
    {
        _text = _model.Tokenizer.Encode(string.Concat(Enumerable.Repeat("Tom and Lily went to the big park to play with a red ball. ", 10)));
        _alone = [.. Enumerable.Range(0, 4).Select(client => Generation.Run(_model, Small, Prompt(client), Generation.Greedy(AnswerCount)).Tokens)];
    }

    public void Dispose() => _model.Dispose();

    [Fact]
    public async Task SubmittingCancellingAndDisposingAtOnceEndsEverything()
    {
        // Of each request of each client: after how many tokens it is cancelled, if it is at all; and after how many tokens of all the loop is disposed.
        var requests = Gen.Int[0, 2 * AnswerCount].Array[1, 4];
        await Gen.Select(requests.Array[4], Gen.Int[0, 300]).SampleAsync(async (clients, disposedAfter) => await Run(clients, disposedAfter), iter: 12, threads: 1);
    }

    private async Task Run(int[][] clients, int disposedAfter)
    {
        using var loop = new EngineLoop(new Engine(_model, Small));
        var left = disposedAfter;
        using var enough = new SemaphoreSlim(0);
        void Count()
        {
            if (Interlocked.Decrement(ref left) == 0)
                enough.Release();
        }

        var running = clients.Select((cancels, client) => Task.Run(async () =>
        {
            foreach (var cancelAfter in cancels)
                await Ask(loop, client, cancelAfter, Count);
        })).ToArray();
        var all = Task.WhenAll(running);
        if (disposedAfter > 0)
            await Task.WhenAny(all, enough.WaitAsync()).WaitAsync(Patience);
        await Task.Run(loop.Dispose).WaitAsync(Patience);
        await all.WaitAsync(Patience);
        Assert.Equal(0, loop.Engine.KvBytesInUse);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => loop.SubmitAsync(new Sequence(Prompt(0), Generation.Greedy(1))));
    }

    private async Task Ask(EngineLoop loop, int client, int cancelAfter, Action count)
    {
        var sequence = new Sequence(Prompt(client), Generation.Greedy(AnswerCount));
        var tokens = new List<int>();
        var isClosed = false;
        try
        {
            await loop.SubmitAsync(sequence);
            if (cancelAfter == 0)
                sequence.Cancel();
            await foreach (var piece in sequence.ReadAllAsync())
            {
                if (piece.Token < 0)
                    continue;
                tokens.Add(piece.Token);
                count();
                if (tokens.Count == cancelAfter)
                    sequence.Cancel();
            }
        }
        catch (ObjectDisposedException)
        {
            isClosed = true;
        }

        Assert.Equal(_alone[client][..tokens.Count], tokens);
        if (isClosed)
            return;
        Assert.True(sequence.Finish == FinishReason.Length ? tokens.Count == AnswerCount : sequence is { Finish: FinishReason.Cancelled, IsCancelled: true }, $"{sequence.Finish} after {tokens.Count}");
    }

    private int[] Prompt(int client) => _text[..(20 + (13 * client))];
}
