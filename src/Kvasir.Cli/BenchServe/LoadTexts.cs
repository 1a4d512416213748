using System.Text;

namespace Kvasir.Cli.BenchServe;

/// <summary>Texts of random words: no two requests begin alike but where they are meant to.</summary>
/// <param name="tokensPerWord">As the server counts them.</param>
internal sealed class LoadTexts(ulong seed, double tokensPerWord)
{
    /// <summary>Tokens of a word where a server does not say how it counts.</summary>
    public const double UsualTokensPerWord = 1.3;

    private const int SampleWords = 1000;

    private static readonly string[] Words =
    [
        "about", "always", "apple", "autumn", "bread", "bridge", "bright", "candle", "castle", "cloud", "copper", "corner", "dance", "distant", "door", "dream",
        "early", "earth", "empty", "engine", "evening", "farmer", "father", "finger",
        "flower", "forest", "friend", "garden", "gentle", "glass", "golden", "green",
        "happy", "harbour", "heavy", "hollow", "house", "island", "journey", "kitchen",
        "ladder", "lantern", "letter", "little", "market", "meadow", "mirror", "morning",
        "mountain", "music", "narrow", "number", "ocean", "paper", "pencil", "people",
        "quiet", "river", "school", "silver", "simple", "summer", "table", "village",
    ];

    /// <summary>Words for counting their tokens.</summary>
    public static (string Text, int Words) Sample() => (Text(new Random(1), SampleWords), SampleWords);

    /// <summary>The text with which all prompts begin.</summary>
    public string Prefix(int tokens) => Of(0, tokens);

    /// <summary>What is new in a turn of a conversation.</summary>
    public string Turn(int conversation, int turn, int tokens) => Of(((ulong)conversation << 20) + (ulong)turn + 1, tokens);

    private string Of(ulong number, int tokens)
    {
        // The seeds of different texts share no bits that a generator would pass on.
        var mixed = (seed + (number * 0x9E3779B97F4A7C15)) * 0xD1342543DE82EF95;
        return tokens == 0 ? "" : Text(new Random((int)(mixed >> 33)), Math.Max(1, (int)Math.Round(tokens / tokensPerWord)));
    }

    private static string Text(Random random, int words)
    {
        var text = new StringBuilder();
        for (var i = 0; i < words; i++)
            text.Append(i > 0 ? " " : "").Append(Words[random.Next(Words.Length)]);
        return text.ToString();
    }
}
