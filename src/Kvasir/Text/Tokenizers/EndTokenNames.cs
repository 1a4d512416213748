namespace Kvasir.Text.Tokenizers;

/// <summary>Tokens that end a generation, known by name: files often list only one of several.</summary>
internal static class EndTokenNames
{
    private static readonly HashSet<string> Names = new(StringComparer.Ordinal)
    {
        "<|eot_id|>", "<|eom_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<|flush|>", "<|calls|>", "<end_of_turn>", "<|endoftext|>",
        "<|end_of_text|>", "</s>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]", "<end_of_utterance>", "<eos>", "<turn|>", "<|tool_response>",
        "<\uFF5Cend\u2581of\u2581sentence\uFF5C>", "[e~[",
        // After these a model fills in code of another file: nothing that follows answers the prompt.
        "<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]", "<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>", "<|file_sep|>",
    };

    // Ends a message of several in vocabularies that have these two.
    private const string MessageEnd = "<|end|>";

    private static readonly string[] AnswerEnds = ["<|return|>", "<|call|>"];

    public static bool Contains(string piece) => Names.Contains(piece);

    /// <summary>Whether a token of this name ends a generation of a vocabulary that has such others.</summary>
    public static bool Ends(string piece, Func<string, bool> has) =>
        Names.Contains(piece) && (piece != MessageEnd || !Array.TrueForAll(AnswerEnds, end => has(end)));
}
