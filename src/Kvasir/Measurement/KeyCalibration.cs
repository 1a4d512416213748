using Kvasir.Attention;

namespace Kvasir.Measurement;

/// <summary>Runs a text densely and writes down in which dimensions its keys vary, which the policy loki reads.</summary>
public static class KeyCalibration
{
    /// <param name="tokens">At least one, and fewer than the engine's context holds.</param>
    /// <param name="path">Of the file, see <see cref="KeyAxes"/>.</param>
    /// <exception cref="KvasirException">The text is empty, or does not fit the context or the KV memory; the file cannot be written.</exception>
    public static void Run(Engine engine, ReadOnlySpan<int> tokens, string path)
    {
        // One token more than the first, so that the sequence still holds its cache when the prompt is over.
        var sequence = new Sequence(tokens, new GenerationOptions { MaxTokens = 2, IgnoreEnd = true, Attention = PolicyCatalog.Parse("dense") });
        engine.Submit(sequence);
        while (sequence.CachedCount < tokens.Length && sequence.Finish == FinishReason.None)
            engine.Step();
        Invariant.Holds(sequence.Cache is not null);
        var axes = KeyAxes.Measure(sequence.Cache!, engine.Transformer.Shape, tokens.Length);
        sequence.Cancel();
        while (engine.Step())
        {
        }

        axes.Save(path, Path.GetFileName(engine.Model.Path), tokens.Length);
    }
}
