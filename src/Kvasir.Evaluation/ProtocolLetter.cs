namespace Kvasir.Evaluation;

/// <summary>Protocols as papers and tables name them.</summary>
public static class ProtocolLetter
{
    /// <summary>A or B.</summary>
    public static char Letter(this Protocol protocol) => protocol == Protocol.QuestionDense ? 'A' : 'B';

    /// <summary>The protocol of a letter, whatever its case; null for another text.</summary>
    public static Protocol? Parse(string text) => text switch
    {
        "a" or "A" => Protocol.QuestionDense,
        "b" or "B" => Protocol.QuestionSparse,
        _ => null,
    };
}
