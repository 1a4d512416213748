using Kvasir.Attention.Indexes;
using Kvasir.Attention.Policies;
using Kvasir.Ground;

namespace Kvasir.Measurement;

/// <summary>Runs a text densely and writes down in which dimensions its keys vary, which the policy loki reads.</summary>
public static class KeyCalibration
{
    /// <param name="tokens">At least one, and fewer than the engine's context holds.</param>
    /// <param name="path">Of the file, see <see cref="KeyAxes"/>.</param>
    /// <exception cref="KvasirException">
    /// The text is empty, or does not fit the context or the KV memory; keys, or what the model makes of them, are not finite; the file cannot be written.
    /// </exception>
    public static void Run(Engine engine, ReadOnlySpan<int> tokens, string path)
    {
        ArgumentNullException.ThrowIfNull(engine);
        ArgumentNullException.ThrowIfNull(path);
        // One token more than the first, so that the sequence still holds its cache when the prompt is over.
        var sequence = new Sequence(tokens, new GenerationOptions { MaxTokens = 2, IgnoreEnd = true, Attention = PolicyCatalog.Dense });
        engine.Submit(sequence);
        while (sequence.CachedCount < tokens.Length && sequence.Finish == FinishReason.None)
            engine.Step();
        if (sequence.Failure is not null)
            throw sequence.Failure;
        Invariant.Holds(sequence.Attention?.Cache is not null);
        var axes = Measure(engine, sequence);
        axes.Save(path, Path.GetFileName(engine.Model.Path), tokens.Length);
    }

    private static KeyAxes Measure(Engine engine, Sequence sequence)
    {
        try
        {
            using var use = engine.Use();
            return KeyAxes.Measure(sequence.Attention!.Cache!, use.Pass.Shape, sequence.PromptCount);
        }
        finally
        {
            sequence.Cancel();
            while (engine.Step())
            {
            }
        }
    }
}
