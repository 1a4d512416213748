using Kvasir.Attention.Dropping;

namespace Kvasir.Measurement;

/// <summary>Reads a sample of prompts and writes down what each layer is to keep of such ones, which the policy xkv reads.</summary>
public static class BudgetCalibration
{
    /// <param name="prompts">Those that are longer than the few newest tokens, which are kept anyway, count; at least one is.</param>
    /// <param name="path">Of the file.</param>
    /// <returns>How many counted.</returns>
    /// <exception cref="KvasirException">
    /// No prompt is long enough; one does not fit the context or the KV memory; what the model makes of it is not finite; the file cannot be written.
    /// </exception>
    public static int Run(Engine engine, IReadOnlyList<int[]> prompts, string path)
    {
        ArgumentNullException.ThrowIfNull(engine);
        ArgumentNullException.ThrowIfNull(prompts);
        ArgumentNullException.ThrowIfNull(path);
        // No policy has to do with layers that have a window.
        var shape = engine.Model.Config.Attention.Full();
        var sample = new BudgetSample(shape.LayerCount);
        var policy = new XKV(sample);
        var tokens = 0L;
        foreach (var prompt in prompts)
        {
            // One token more than the first: before that nobody asks what stays.
            var sequence = new Sequence(prompt, new GenerationOptions { MaxTokens = 2, IgnoreEnd = true, Attention = policy });
            engine.Submit(sequence);
            while (engine.Step())
            {
            }

            if (sequence.Failure is not null)
                throw sequence.Failure;
            tokens += prompt.Length;
        }

        if (sample.PromptCount == 0)
            throw new KvasirException(
                KvasirError.BadOption, $"none of {prompts.Count} prompts is longer than the {policy.Zones.Recent} tokens that are always kept");
        new LayerBudgets(Path.GetFileName(engine.Model.Path), shape.LayerCount, shape.KvHeadCount, shape.Dim, sample.MeanShares())
            .Save(path, sample.PromptCount, tokens);
        return sample.PromptCount;
    }
}
