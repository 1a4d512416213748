namespace Kvasir.Evaluation;

/// <summary>Which part of a sample is computed densely. It moves scores more than most policies do, so that every table names it.</summary>
public enum Protocol
{
    /// <summary>A: context, question and answer prefix are computed densely; only the answer is decoded under the policy.</summary>
    QuestionDense,

    /// <summary>B: the context is computed densely; question, answer prefix and answer are fed under the policy.</summary>
    QuestionSparse,
}
