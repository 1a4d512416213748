namespace Kvasir.Evaluation.Running;

/// <summary>A sample as a plan numbers it.</summary>
/// <param name="Index">Counts from 0.</param>
internal sealed record PlannedSample(int Index, Sample Sample, PromptTokens Prompt)
{
    /// <summary>Tokens that a sequence of it may reach.</summary>
    public int TokenLimit => Prompt.Tokens.Count + Sample.AnswerTokens;

    public static PlannedSample Of(Model model, PlannedTask task, int context, ulong seed, int index)
    {
        var sample = task.Task.Generate(new SampleRequest(model.Tokenizer, context, seed, index));
        return new PlannedSample(index, sample, PromptTokens.Of(model.Tokenizer, sample));
    }
}
