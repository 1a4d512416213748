using System.Buffers.Binary;
using System.IO.Hashing;
using Kvasir.Cache;

namespace Kvasir.Tiers;

/// <summary>
/// A chunk as it lies in a segment: a header that says what it is, with a sum for each column and one of its own, then the rows. A name in an index is only
/// where to look; what is found there has to say itself that it is the chunk. Numbers are little endian:
/// <code>
/// 0 magic   8 version   12 columns   16 bytes of a column   24 name, parent, root, 32 bytes each   120 sums of columns, XXH3 seeded with their number
/// 184 tokens, 4 bytes each   4088 XXH3 of all before   4096 columns, [heads, bytes of a page] as the pages lie in memory, zeros up to a multiple of 4096
/// </code>
/// </summary>
internal static class ChunkRecord
{
    public const int HeaderBytes = 4096;
    private const uint Version = 1;
    private const int NamesAt = 24;
    private const int SumsAt = NamesAt + (3 * PrefixChunk.NameBytes);
    private const int TokensAt = SumsAt + (PrefixChunk.MostColumns * sizeof(ulong));
    private const int SumAt = HeaderBytes - sizeof(ulong);

    private static ReadOnlySpan<byte> Magic => "KVSRCHNK"u8;

    /// <summary>Of the record of a chunk.</summary>
    public static long BytesOf(PrefixChunk chunk) => (HeaderBytes + (long)chunk.Bytes + HeaderBytes - 1) / HeaderBytes * HeaderBytes;

    /// <summary>Writes the record of a chunk into memory of its size.</summary>
    public static void Write(PrefixChunk chunk, ReadOnlySpan<byte> rows, Span<byte> record)
    {
        record.Clear();
        rows.CopyTo(record[HeaderBytes..]);
        Magic.CopyTo(record);
        BinaryPrimitives.WriteUInt32LittleEndian(record[8..], Version);
        BinaryPrimitives.WriteInt32LittleEndian(record[12..], chunk.ColumnCount);
        BinaryPrimitives.WriteInt32LittleEndian(record[16..], chunk.ColumnBytes);
        WriteName(chunk.Name, record[NamesAt..]);
        WriteName(chunk.Parent, record[(NamesAt + PrefixChunk.NameBytes)..]);
        WriteName(chunk.Root, record[(NamesAt + (2 * PrefixChunk.NameBytes))..]);
        for (var column = 0; column < chunk.ColumnCount; column++)
            BinaryPrimitives.WriteUInt64LittleEndian(record[(SumsAt + (column * sizeof(ulong)))..], Sum(rows, chunk, column));
        WriteTokens(chunk.Tokens.Span, record[TokensAt..]);
        BinaryPrimitives.WriteUInt64LittleEndian(record[SumAt..], XxHash3.HashToUInt64(record[..SumAt]));
    }

    /// <summary>Whether a record is that of a chunk, whole: name, parent, root, tokens and rows.</summary>
    public static bool IsOf(PrefixChunk chunk, ReadOnlySpan<byte> record)
    {
        if (!record.StartsWith(Magic) || BinaryPrimitives.ReadUInt64LittleEndian(record[SumAt..]) != XxHash3.HashToUInt64(record[..SumAt]))
            return false;
        Span<byte> expected = stackalloc byte[TokensAt];
        expected.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(expected[8..], Version);
        BinaryPrimitives.WriteInt32LittleEndian(expected[12..], chunk.ColumnCount);
        BinaryPrimitives.WriteInt32LittleEndian(expected[16..], chunk.ColumnBytes);
        WriteName(chunk.Name, expected[NamesAt..]);
        WriteName(chunk.Parent, expected[(NamesAt + PrefixChunk.NameBytes)..]);
        WriteName(chunk.Root, expected[(NamesAt + (2 * PrefixChunk.NameBytes))..]);
        Span<byte> tokens = stackalloc byte[PrefixChunk.MostColumns * PagePool.PageTokens * sizeof(int)];
        WriteTokens(chunk.Tokens.Span, tokens);
        if (!record[8..SumsAt].SequenceEqual(expected[8..SumsAt])
            || !record.Slice(TokensAt, chunk.Tokens.Length * sizeof(int)).SequenceEqual(tokens[..(chunk.Tokens.Length * sizeof(int))]))
            return false;
        for (var column = 0; column < chunk.ColumnCount; column++)
        {
            if (BinaryPrimitives.ReadUInt64LittleEndian(record[(SumsAt + (column * sizeof(ulong)))..]) != Sum(Rows(chunk, record), chunk, column))
                return false;
        }

        return true;
    }

    /// <summary>The rows in a record.</summary>
    public static ReadOnlySpan<byte> Rows(PrefixChunk chunk, ReadOnlySpan<byte> record) => record.Slice(HeaderBytes, chunk.Bytes);

    private static ulong Sum(ReadOnlySpan<byte> rows, PrefixChunk chunk, int column) =>
        XxHash3.HashToUInt64(rows.Slice(column * chunk.ColumnBytes, chunk.ColumnBytes), seed: column);

    private static void WriteName(string name, Span<byte> bytes) => Convert.FromHexString(name).CopyTo(bytes);

    private static void WriteTokens(ReadOnlySpan<int> tokens, Span<byte> bytes)
    {
        for (var i = 0; i < tokens.Length; i++)
            BinaryPrimitives.WriteInt32LittleEndian(bytes[(i * sizeof(int))..], tokens[i]);
    }
}
