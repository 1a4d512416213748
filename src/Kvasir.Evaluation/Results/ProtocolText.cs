namespace Kvasir.Evaluation.Results;

/// <summary>How protocols are named wherever figures stand.</summary>
public static class ProtocolText
{
    /// <summary>A or B, as the command line takes it in lower case.</summary>
    public static string Letter(Protocol protocol) => protocol == Protocol.QuestionDense ? "A" : "B";

    public static string Title(Protocol protocol) => $"protocol {Letter(protocol)}";

    /// <summary>What is computed densely, in a line.</summary>
    public static string Meaning(Protocol protocol) => protocol == Protocol.QuestionDense
        ? "context, question and answer prefix are computed densely; only the answer is decoded under the policy"
        : "the context is computed densely; question, answer prefix and answer are fed under the policy";
}
