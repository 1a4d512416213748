using CsCheck;
using Kvasir.Attention.Policies;
using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Test.Requests;

/// <summary>
/// Requests that come, share prompts, are cancelled and give way in any order answer as they would alone, and nothing of theirs stays behind. One that gave way is
/// computed again densely, what it has generated too; so a sparse one has another answer then, of the same length.
/// </summary>
public sealed class EngineHistoryTest : IDisposable
{
    private const int AnswerCount = 40;
    private const int SharedTokens = 64;
    private const int QueueLimit = 4;

    // Twenty heads; memory for two of these requests and a half, so that the youngest gives way.
    private static readonly long ColumnBytes = 20 * 2L * 32 * RowCodec.F32.RowBytes(8);

    private static readonly EngineOptions Tight = new()
    {
        Threads = 1,
        Kv = KvFormat.F32,
        ContextTokens = 256,
        BatchTokens = 24,
        MaxSequences = 3,
        Queue = new QueueLimits { Sequences = QueueLimit },
        KvMemoryBytes = 10 * ColumnBytes,
    };

    private static readonly string[] Policies = ["dense", "streaming:sinks=2,recent=9,min-context=0", "psa:block=4,group=2,coverage=0.6,sinks=3,recent=5,min-context=0"];

    private readonly Model _model = Generation.LoadStories();
    private readonly int[] _text;
    private readonly Dictionary<(int Prompt, string Policy), int[]> _alone = [];
    private readonly HashSet<Sequence> _gaveWay = [];
    private int _reused;
    private int _refused;

    public EngineHistoryTest() => _text = _model.Tokenizer.Encode(string.Concat(Enumerable.Repeat("Tom and Lily went to the big park to play with a red ball. ", 20)));

    private enum Act
    {
        Submit,
        SubmitSharing,
        Step,
        Cancel,
        Release,
    }

    public void Dispose() => _model.Dispose();

    [Fact]
    [Trait("Needs", "Minutes")]
    public void EveryRequestAnswersAsAloneWhateverOthersDo()
    {
        var act = Gen.Select(Gen.Enum<Act>(), Gen.Int[0, 9], Gen.Int[0, 40]);
        act.Array[4, 50].Sample(Play, iter: 25, threads: 1);
        Assert.True(_gaveWay.Count > 0 && _reused > 0 && _refused > 0, $"{_gaveWay.Count} gave way, {_reused} found rows of others, {_refused} were refused: this shows less than it says");
    }

    private void Play((Act Act, int Who, int Count)[] acts)
    {
        using var engine = new Engine(_model, Tight);
        var shared = new SharedPrompt(_text.AsSpan(0, SharedTokens));
        var told = new List<Sequence>();
        foreach (var (act, who, count) in acts)
        {
            switch (act)
            {
                case Act.Submit or Act.SubmitSharing: Submit(engine, told, 20 + (7 * who), Policies[count % Policies.Length], act == Act.SubmitSharing ? shared : null); break;
                case Act.Step: Step(engine, told, 1 + count); break;
                case Act.Cancel when told.Count > 0: told[^(1 + (who % told.Count))].Cancel(); break;
                case Act.Release: shared.Release(); break;
            }

            engine.Verify();
        }

        while (engine.WaitingCount + engine.RunningCount > 0)
            Step(engine, told, 1);
        foreach (var sequence in told)
            Check(sequence);
        shared.Release();
        engine.Step();
        engine.Verify();
        Assert.Equal((0L, 0, 0), (engine.KvBytesInUse, engine.RunningCount, engine.WaitingCount));
    }

    // A prompt that shares begins with what is shared, and has more.
    private void Submit(Engine engine, List<Sequence> told, int promptCount, string policy, SharedPrompt? shared)
    {
        if (shared is not null)
            promptCount = SharedTokens + (promptCount / 4);
        var sequence = new Sequence(_text.AsSpan(0, promptCount), Generation.Greedy(AnswerCount) with { Attention = PolicyCatalog.Parse(policy) }) { Shared = shared };
        try
        {
            engine.Submit(sequence);
            told.Add(sequence);
        }
        catch (KvasirException refusal) when (refusal.Error == KvasirError.QueueFull)
        {
            Assert.True(engine.WaitingCount >= QueueLimit, $"refused behind {engine.WaitingCount}");
            _refused++;
        }
    }

    private void Step(Engine engine, List<Sequence> told, int count)
    {
        for (var step = 0; step < count; step++)
        {
            engine.Step();
            engine.Verify();
            _gaveWay.UnionWith(told.Where(static one => one is { GeneratedCount: > 0, CachedCount: 0, Finish: FinishReason.None }));
        }
    }

    private void Check(Sequence sequence)
    {
        var tokens = Generation.Read(sequence).Tokens;
        var alone = Alone(sequence.PromptCount, sequence.Options.Attention!.Name);
        if (!_gaveWay.Contains(sequence) || sequence.Options.Attention.Name == "dense")
            Assert.Equal(alone[..tokens.Length], tokens);
        Assert.True(sequence.Finish == FinishReason.Length ? tokens.Length == AnswerCount : sequence is { Finish: FinishReason.Cancelled, IsCancelled: true }, $"{sequence.Finish}");
        _reused += sequence.CachedTokens > 0 ? 1 : 0;
    }

    private int[] Alone(int promptCount, string policy)
    {
        if (!_alone.TryGetValue((promptCount, policy), out var tokens))
        {
            var options = Generation.Greedy(AnswerCount) with { Attention = PolicyCatalog.Parse(policy) };
            tokens = _alone[(promptCount, policy)] = Generation.Run(_model, Tight with { KvMemoryBytes = 64 << 20 }, _text[..promptCount], options).Tokens;
        }

        return tokens;
    }
}
