using System.Buffers.Binary;
using System.IO.Hashing;
using System.Text;
using Kvasir.Cache;
using Kvasir.Files;

namespace Kvasir.Tiers;

/// <summary>
/// What a file of saved rows begins with: of what they are, the tokens, and a sum for each column; with all of that, a sum of its own, so that it vouches for
/// the whole file. Numbers are little endian:
/// <code>
/// 0 magic   8 version   12 bytes of text   16 tokens   20 columns   24 heads   28 bytes of a page   32 bytes of the file   40 XXH3 of the rest of the header
/// 48 text (the origin)   tokens, 4 bytes each   sums of columns, XXH3 seeded with their number, 8 bytes each   zeros up to a multiple of 4096
/// columns: [heads, bytes of a page] as the pages lie in memory, then zeros up to a multiple of 4096
/// </code>
/// </summary>
internal sealed class SavedHeader
{
    /// <summary>In front of text, tokens and sums.</summary>
    public const int FixedBytes = 48;

    private const int SumAt = 40;
    private const int Alignment = 4096;
    private const uint Version = 1;
    private const int MostTextBytes = 64 << 10;

    // A header has to be read before anything of it is known to be right.
    private const int MostTokens = 1 << 24;
    private const int MostHeads = 1 << 20;
    private const int MostPageBytes = 1 << 24;
    private readonly byte[] _text;

    /// <param name="engine">Whose engine wrote it, for people.</param>
    public SavedHeader(RowOrigin origin, string engine, int[] tokens, int headCount, int pageBytes)
    {
        (Origin, Tokens, HeadCount, PageBytes) = (origin, tokens, headCount, pageBytes);
        _text = Encoding.UTF8.GetBytes($"{origin.ToText()}engine={engine}\n");
    }

    private SavedHeader(byte[] text, RowOrigin origin, int[] tokens, int headCount, int pageBytes) =>
        (_text, Origin, Tokens, HeadCount, PageBytes) = (text, origin, tokens, headCount, pageBytes);

    public RowOrigin Origin { get; }

    /// <summary>All of the conversation: the last of them have no rows in the file.</summary>
    public int[] Tokens { get; }

    /// <summary>Layers times KV heads.</summary>
    public int HeadCount { get; }

    public int PageBytes { get; }

    /// <summary>A sum for each column that is there.</summary>
    public ulong[] Sums { get; init; } = [];

    /// <summary>Of the header, and so where the columns begin.</summary>
    public long Bytes => Aligned(FixedBytes + _text.Length + (sizeof(int) * (long)Tokens.Length) + (sizeof(ulong) * (long)Sums.Length));

    /// <summary>From one column to the next.</summary>
    public long ColumnBytes => Aligned((long)HeadCount * PageBytes);

    public long FileBytes => Bytes + (ColumnBytes * Sums.Length);

    /// <summary>What a column's bytes, zeros and all, are known by; in the place of another they fail.</summary>
    public static ulong Sum(ReadOnlySpan<byte> column, int index) => XxHash3.HashToUInt64(column, seed: index);

    public byte[] ToBytes()
    {
        var bytes = new byte[Bytes];
        "KVSRROWS"u8.CopyTo(bytes);
        int[] numbers = [(int)Version, _text.Length, Tokens.Length, Sums.Length, HeadCount, PageBytes];
        for (var i = 0; i < numbers.Length; i++)
            BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(8 + (i * sizeof(int))), numbers[i]);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(32), FileBytes);
        _text.CopyTo(bytes.AsSpan(FixedBytes));
        var at = FixedBytes + _text.Length;
        for (var i = 0; i < Tokens.Length; i++, at += sizeof(int))
            BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(at), Tokens[i]);
        for (var i = 0; i < Sums.Length; i++, at += sizeof(ulong))
            BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(at), Sums[i]);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(SumAt), OwnSum(bytes));
        return bytes;
    }

    /// <summary>How long the header is that begins so.</summary>
    /// <param name="start">Its first <see cref="FixedBytes"/>.</param>
    /// <param name="fileBytes">That the file has.</param>
    /// <exception cref="KvasirException">It is no such file, of another version, or cut short.</exception>
    public static int BytesOf(ReadOnlySpan<byte> start, long fileBytes, string path)
    {
        if (!start.StartsWith("KVSRROWS"u8))
            throw new KvasirException(KvasirError.BadFile, $"{path} is no file of saved keys and values");
        if (BinaryPrimitives.ReadUInt32LittleEndian(start[8..]) is var version and not Version)
            throw new KvasirException(
                KvasirError.Unsupported, $"{path} has version {version} of saved keys and values, and this engine knows version {Version}");
        var shape = Shape.Read(start);
        var isSound = shape.TextBytes is >= 0 and <= MostTextBytes && shape.Tokens is >= 0 and <= MostTokens && shape.Heads is > 0 and <= MostHeads
            && shape.PageBytes is > 0 and <= MostPageBytes && shape.Columns >= 0 && shape.Columns <= shape.Tokens / PagePool.PageTokens
            && shape.FileBytes == shape.HeaderBytes + (shape.Columns * Aligned((long)shape.Heads * shape.PageBytes));
        if (!isSound)
            throw Damaged(path, "its header contradicts itself");
        if (shape.FileBytes != fileBytes)
            throw Damaged(path, $"it has {MessageText.Count(fileBytes, "byte")} of {shape.FileBytes}");
        return (int)shape.HeaderBytes;
    }

    /// <summary>Reads a whole header.</summary>
    /// <exception cref="KvasirException">It is damaged.</exception>
    public static SavedHeader Read(ReadOnlySpan<byte> bytes, string path)
    {
        if (BinaryPrimitives.ReadUInt64LittleEndian(bytes[SumAt..]) != OwnSum(bytes))
            throw Damaged(path, "its header is not what was written");
        var shape = Shape.Read(bytes);
        var text = bytes.Slice(FixedBytes, shape.TextBytes).ToArray();
        var (tokens, sums, at) = (new int[shape.Tokens], new ulong[shape.Columns], FixedBytes + text.Length);
        for (var i = 0; i < tokens.Length; i++, at += sizeof(int))
            tokens[i] = BinaryPrimitives.ReadInt32LittleEndian(bytes[at..]);
        for (var i = 0; i < sums.Length; i++, at += sizeof(ulong))
            sums[i] = BinaryPrimitives.ReadUInt64LittleEndian(bytes[at..]);
        var origin = RowOrigin.Parse(Encoding.UTF8.GetString(text)) ?? throw Damaged(path, "it does not say of what its rows are");
        return new SavedHeader(text, origin, tokens, shape.Heads, shape.PageBytes) { Sums = sums };
    }

    public static KvasirException Damaged(string path, string how) => new(KvasirError.BadFile, $"{path} is damaged: {how}");

    private static ulong OwnSum(ReadOnlySpan<byte> header)
    {
        var sum = new XxHash3();
        sum.Append(header[..SumAt]);
        sum.Append(header[FixedBytes..]);
        return sum.GetCurrentHashAsUInt64();
    }

    private static long Aligned(long bytes) => (bytes + Alignment - 1) / Alignment * Alignment;

    // What the first bytes say of the rest.
    private readonly record struct Shape(int TextBytes, int Tokens, int Columns, int Heads, int PageBytes, long FileBytes)
    {
        public long HeaderBytes => Aligned(FixedBytes + TextBytes + (sizeof(int) * (long)Tokens) + (sizeof(ulong) * (long)Columns));

        public static Shape Read(ReadOnlySpan<byte> start) => new(
            BinaryPrimitives.ReadInt32LittleEndian(start[12..]), BinaryPrimitives.ReadInt32LittleEndian(start[16..]),
            BinaryPrimitives.ReadInt32LittleEndian(start[20..]), BinaryPrimitives.ReadInt32LittleEndian(start[24..]),
            BinaryPrimitives.ReadInt32LittleEndian(start[28..]), BinaryPrimitives.ReadInt64LittleEndian(start[32..]));
    }
}
