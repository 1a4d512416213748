using Kvasir.Cache;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Models;

namespace Kvasir.Test.Requests;

/// <summary>What a sequence takes before it is admitted, and how it grows behind that.</summary>
public sealed class WaitingMemoryTest : IDisposable
{
    private static readonly EngineOptions LongContext = new() { Threads = 1, Kv = KvFormat.F32, KvMemoryBytes = 512 << 20, ContextTokens = 100_000, MaxSequences = 1 };
    private readonly Model _model = Generation.LoadStories();

    public void Dispose() => _model.Dispose();

    [Fact]
    public void SubmissionAllocatesNothingThatGrowsWithTheTokenLimit()
    {
        using var engine = new Engine(_model, LongContext);
        engine.Submit(new Sequence([1, 2, 3], Generation.Greedy(5)));
        var options = Generation.Greedy(90_000) with { Sampling = new SamplingOptions { RepetitionPenalty = 1.1f }, AuditShare = 0 };
        var waiting = new Stack<Sequence>(Enumerable.Range(0, 40).Select(_ => new Sequence([1, 2, 3], options)));
        var bytes = AllocatedBytes.Of(
            () =>
            {
                for (var i = 0; i < 20; i++)
                    engine.Submit(waiting.Pop());
            },
            mostWindows: 2);
        // Three arrays of the vocabulary's 512 entries alone would be 6 KiB.
        Assert.InRange(bytes / 20, 0, 4096);
    }

    [Fact]
    public void AnEmptyCacheTakesNothingThatGrowsWithItsMostRows()
    {
        using var cache = new KvCache(KvFormat.BF16, 32, 8, 128, 64L << 30);
        // 256 heads; 4096 pages of 12 bytes each would be 12 MiB.
        Assert.InRange(AllocatedBytes.Of(() => cache.Open(128 << 10)), 0, 128 << 10);
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public async Task AnAnswerIsReadWholeWhileItsBuffersGrow()
    {
        const int Tokens = 1500;
        using var loop = new EngineLoop(new Engine(_model, LongContext));
        var sequence = new Sequence(_model.Tokenizer.Encode(Generation.Opening), Generation.Greedy(Tokens));
        await loop.SubmitAsync(sequence);
        var (read, text) = (new List<GeneratedToken>(), "");
        await foreach (var piece in sequence.ReadAllAsync())
        {
            text += piece.Text;
            if (piece.Token >= 0)
                read.Add(piece);
        }

        Assert.Equal(sequence.Tokens[sequence.PromptCount..].ToArray(), read.Select(piece => piece.Token));
        Assert.All(read, piece => Assert.InRange(piece.Logprob, -20, 1e-5f));
        Assert.Equal(_model.Tokenizer.Decode(sequence.Tokens[sequence.PromptCount..]), text);
        Assert.Equal(Tokens, read.Count);
    }
}
