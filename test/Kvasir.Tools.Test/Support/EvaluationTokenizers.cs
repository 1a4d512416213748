using Kvasir.Text;

namespace Kvasir.Tools.Test.Support;

/// <summary>Two tokenizers that could hardly differ more: SentencePiece with 512 pieces, and single bytes.</summary>
internal static class EvaluationTokenizers
{
    public static Tokenizer Stories { get; } = Tokenizer.FromFolder(TestModels.StoriesFolder);

    public static Tokenizer Bytes { get; } = Tokenizer.OfBytes();

    public static Tokenizer Named(string name) => name == "bytes" ? Bytes : Stories;
}
