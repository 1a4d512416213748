namespace Kvasir.Evaluation.Running;

/// <summary>A sequence, and the time that the engine's steps took for it.</summary>
public sealed class TimedSequence(Sequence sequence)
{
    private int _promptRows;
    private int _decoded;

    public Sequence Sequence { get; } = sequence;

    /// <summary>Milliseconds of the steps that computed its prompt, its share by rows, and of those that built its index.</summary>
    public double PromptMs { get; private set; }

    /// <summary>Milliseconds of the steps behind the prompt: an equal share with every other sequence of the step.</summary>
    public double DecodeMs { get; private set; }

    /// <summary>
    /// Runs sequences together to their ends. The engine has no others, and computes prompts first (<see cref="EngineOptions.PromptsFirst"/>), so that
    /// a step is of one kind.
    /// </summary>
    /// <exception cref="KvasirException">The engine refuses a sequence, or one fails; none is left in it.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; none is left in the engine.</exception>
    public static void RunAll(Engine engine, IReadOnlyList<TimedSequence> timed, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(engine);
        ArgumentNullException.ThrowIfNull(timed);
        // A long step ends early when all of its sequences are cancelled.
        using var cancels = cancellation.UnsafeRegister(static sequences => CancelAll((IReadOnlyList<TimedSequence>)sequences!), timed);
        try
        {
            foreach (var one in timed)
                engine.Submit(one.Sequence);
            while (engine.Step())
                Share(engine.LastStep.TotalMs, timed);
        }
        finally
        {
            CancelAll(timed);
            while (engine.Step())
            {
            }
        }

        cancellation.ThrowIfCancellationRequested();
        if (timed.FirstOrDefault(static one => one.Sequence.Failure is not null) is { } failed)
            throw failed.Sequence.Failure!;
        if (timed.FirstOrDefault(static one => one.Sequence.Finish == FinishReason.KvFull) is { } cut)
            throw new KvasirException(
                KvasirError.KvMemoryExceeded, $"the KV memory of {engine.Plan.KvMemoryBytes} bytes ended an answer behind {cut.Sequence.TokenCount} tokens");
    }

    private static void CancelAll(IReadOnlyList<TimedSequence> timed)
    {
        foreach (var one in timed)
            one.Sequence.Cancel();
    }

    private static void Share(double stepMs, IReadOnlyList<TimedSequence> timed)
    {
        var (decoding, rows, indexing) = (0, 0, 0);
        foreach (var one in timed)
        {
            decoding += one.Sequence.DecodedCount - one._decoded;
            rows += one.NewPromptRows;
            indexing += one.IsIndexed ? 1 : 0;
        }

        foreach (var one in timed)
        {
            if (one.Sequence.DecodedCount > one._decoded)
                one.DecodeMs += stepMs / decoding;
            else if (decoding == 0 && rows > 0)
                one.PromptMs += stepMs * one.NewPromptRows / rows;
            else if (decoding + rows == 0 && one.IsIndexed)
                one.PromptMs += stepMs / indexing;
            (one._promptRows, one._decoded) = (one._promptRows + one.NewPromptRows, one.Sequence.DecodedCount);
        }
    }

    // Of a step that computed nothing: whose index is not ready, or has only now become so.
    private bool IsIndexed => Sequence.Finish == FinishReason.None && Sequence.CachedCount > 0 && Sequence.DecodedCount == 0;

    // A sequence that has ended holds no rows any more; then its whole prompt was computed.
    private int NewPromptRows
    {
        get
        {
            var isThrough = Sequence.Finish != FinishReason.None || Sequence.CachedCount > Sequence.PromptCount;
            return Math.Max(0, (isThrough ? Sequence.PromptCount : Sequence.CachedCount) - Sequence.CachedTokens - _promptRows);
        }
    }
}
