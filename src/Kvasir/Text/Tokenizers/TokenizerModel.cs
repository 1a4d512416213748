using Kvasir.Text.Words;

namespace Kvasir.Text.Tokenizers;

/// <summary>How words become tokens.</summary>
internal enum TokenizerKind
{
    /// <summary>Merges by rank over bytes, each byte standing as one printable character.</summary>
    ByteLevel,

    /// <summary>Merges by rank over characters, with bytes for characters that the vocabulary lacks.</summary>
    CharacterMerges,

    /// <summary>Merges by the score of the resulting piece over characters, with bytes for unknown ones.</summary>
    CharacterScores,
}

/// <summary>What a vocabulary entry is; the numbers are GGUF's.</summary>
internal enum PieceType
{
    Normal = 1,
    Unknown = 2,
    Control = 3,
    UserDefined = 4,
    Unused = 5,
    Byte = 6,
}

/// <summary>Which sections of a text get a space in front before they are split.</summary>
internal enum SpacePrefix
{
    None,
    Always,
    First,
}

/// <summary>
/// All that a tokenizer is made of, whichever file it came from. Lists by id have one entry per id;
/// ids that the file leaves out have an empty piece of type <see cref="PieceType.Unused"/>.
/// </summary>
internal sealed record TokenizerModel
{
    public required TokenizerKind Kind { get; init; }

    /// <summary>Pieces as the file spells them, by id.</summary>
    public required string[] Pieces { get; init; }

    public required PieceType[] Types { get; init; }

    /// <summary>Scores by id; empty unless <see cref="TokenizerKind.CharacterScores"/>.</summary>
    public float[] Scores { get; init; } = [];

    /// <summary>Merges, best first; empty for <see cref="TokenizerKind.CharacterScores"/>.</summary>
    public MergeRule[] Merges { get; init; } = [];

    /// <summary>Tokens that are matched as whole texts before anything is split.</summary>
    public AddedToken[] AddedTokens { get; init; } = [];

    /// <summary>Whether overlapping added tokens are settled by length over the whole text, as GGUF's reference does, instead of from left to right.</summary>
    public bool LongestAddedTokenFirst { get; init; }

    public WordPattern Pattern { get; init; }

    /// <summary>Applied in order to every section between added tokens.</summary>
    public NormalizerStep[] Normalizer { get; init; } = [];

    /// <summary>The mark that replaces spaces after normalising (a Metaspace pre-tokenizer), or null.</summary>
    public string? SpaceMark { get; init; }

    public SpacePrefix SpacePrefix { get; init; }

    /// <summary>Whether a word that is itself a piece is taken whole, without merging.</summary>
    public bool IgnoreMerges { get; init; }

    /// <summary>The same of words that are line breaks, for <see cref="WordPattern.Lines"/>.</summary>
    public bool KeepsLineBreaks { get; init; }

    public bool ByteFallback { get; init; }

    /// <summary>Whether a run of unknown characters gives one unknown token.</summary>
    public bool FuseUnknown { get; init; }

    public int? UnknownToken { get; init; }

    public int? BeginToken { get; init; }

    public int? EndToken { get; init; }

    /// <summary>Put before a text that begins a context; empty when the model adds none.</summary>
    public int[] Prefix { get; init; } = [];

    public bool AddsEnd { get; init; }

    /// <summary>All tokens that end a generation.</summary>
    public int[] EndTokens { get; init; } = [];

    /// <summary>Ids that are never drawn, ascending.</summary>
    public int[] SuppressedTokens { get; init; } = [];

    /// <summary>Whether decoding drops the space that encoding put in front.</summary>
    public bool DropsLeadingSpace { get; init; }
}

/// <summary>Pieces <paramref name="Left"/> and <paramref name="Right"/> (ids) join into <paramref name="Result"/>; the place in the list is the rank.</summary>
internal readonly record struct MergeRule(int Left, int Right, int Result);
