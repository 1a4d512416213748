namespace Kvasir.Evaluation;

/// <summary>Makes samples. Immutable; threads may share it.</summary>
public abstract class EvaluationTask
{
    /// <summary>How many samples there are; null where any number can be generated.</summary>
    public virtual int? SampleCount => null;

    /// <summary>The sample that a request names.</summary>
    /// <exception cref="KvasirException">The length is too small or too large for this task and tokenizer, or a file says what cannot be used.</exception>
    public abstract Sample Generate(SampleRequest request);
}
