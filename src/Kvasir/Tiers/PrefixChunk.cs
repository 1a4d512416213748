using Kvasir.Cache;

namespace Kvasir.Tiers;

/// <summary>
/// Up to eight columns of rows, 256 tokens, that lie together beyond memory: what they are called, and of what they are. Names are hashes of all tokens from
/// the first, as hexadecimal digits; another process gives the same rows the same name.
/// </summary>
/// <param name="Name">Of its last column.</param>
/// <param name="Parent">Of the column before its first; the root for the first of all.</param>
/// <param name="Root">What rows depend on beside their tokens: model, format, how they were attended, whose they are.</param>
/// <param name="Tokens">Of its columns, 32 of each.</param>
/// <param name="ColumnBytes">Bytes of a column's rows.</param>
public sealed record PrefixChunk(string Name, string Parent, string Root, ReadOnlyMemory<int> Tokens, int ColumnBytes)
{
    /// <summary>The most columns.</summary>
    public const int MostColumns = 8;

    internal const int NameBytes = 32;

    /// <summary>For people: which model's rows they are, and in which format.</summary>
    public string Origin { get; init; } = "";

    public int ColumnCount => Tokens.Length / PagePool.PageTokens;

    /// <summary>Bytes of its rows.</summary>
    public int Bytes => checked(ColumnCount * ColumnBytes);

    /// <summary>Whether it is the first of its chain.</summary>
    public bool IsFirst => Parent == Root;

    /// <summary>Whether another is the same in everything that its name stands for, and in its size.</summary>
    public bool IsSame(PrefixChunk other) => Name == other.Name && Parent == other.Parent && Root == other.Root && ColumnBytes == other.ColumnBytes
        && Tokens.Span.SequenceEqual(other.Tokens.Span);

    /// <summary>Whether all that it has is in a longer one which begins where it does.</summary>
    internal bool IsWithin(PrefixChunk other) => Parent == other.Parent && Tokens.Length < other.Tokens.Length && ColumnBytes == other.ColumnBytes
        && other.Tokens.Span.StartsWith(Tokens.Span);
}
