using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Kvasir.Ground;

namespace Kvasir.Cache;

/// <summary>
/// The name of a column of pages: a hash of the name before it and of its tokens, so that it stands for all tokens from the first. The first name of all, the
/// root, says what else rows depend on. Nothing in it is random: another process gives the same column the same name.
/// </summary>
internal readonly record struct ColumnName(ulong First, ulong Second, ulong Third, ulong Fourth)
{
    private const int Bytes = 4 * sizeof(ulong);
    private const string Version = "kvasir-kv 1";

    /// <summary>The name that chains begin with.</summary>
    /// <param name="rows">What decides what rows are and how they are stored: the model, the format, the rows of a page, how positions turn keys.</param>
    /// <param name="lineage">How rows were computed.</param>
    /// <param name="tenant">Whose they are.</param>
    /// <param name="salt">What narrows that further.</param>
    public static ColumnName Root(string rows, string lineage, string tenant, string salt)
    {
        // Each with its length before it: no two lists of parts read the same.
        var text = new StringBuilder();
        foreach (var part in (ReadOnlySpan<string>)[Version, rows, lineage, tenant, salt])
            text.Append(part.Length).Append(':').Append(part);
        return Read(SHA256.HashData(Encoding.UTF8.GetBytes(text.ToString())));
    }

    /// <summary>The name that chains begin with which are there for every tenant.</summary>
    public static ColumnName CommonRoot(string rows, string lineage) => Root(rows, $"{lineage} for all", "", "");

    /// <summary>The name of the column that has these tokens behind this one.</summary>
    public ColumnName Next(ReadOnlySpan<int> tokens)
    {
        Span<byte> text = stackalloc byte[Bytes + (PagePool.PageTokens * sizeof(int))];
        Span<byte> hash = stackalloc byte[Bytes];
        Invariant.Holds(tokens.Length == PagePool.PageTokens);
        Write(text);
        for (var i = 0; i < tokens.Length; i++)
            BinaryPrimitives.WriteInt32LittleEndian(text[(Bytes + (i * sizeof(int)))..], tokens[i]);
        SHA256.HashData(text, hash);
        return Read(hash);
    }

    /// <summary>As hexadecimal digits: what it is called outside of the process.</summary>
    public string ToHex()
    {
        Span<byte> bytes = stackalloc byte[Bytes];
        Write(bytes);
        return Convert.ToHexString(bytes);
    }

    private void Write(Span<byte> bytes)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, First);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[8..], Second);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[16..], Third);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[24..], Fourth);
    }

    private static ColumnName Read(ReadOnlySpan<byte> hash) => new(
        BinaryPrimitives.ReadUInt64LittleEndian(hash), BinaryPrimitives.ReadUInt64LittleEndian(hash[8..]),
        BinaryPrimitives.ReadUInt64LittleEndian(hash[16..]), BinaryPrimitives.ReadUInt64LittleEndian(hash[24..]));
}
