using Kvasir.Cache;
using Kvasir.Tiers;

namespace Kvasir.Test.Support;

/// <summary>Chains of chunks with rows that follow from their names, for tests of stores.</summary>
internal static class StoreChunks
{
    public static readonly ColumnName Root = ColumnName.Root("rows", "dense", "", "");

    /// <summary>A chain of chunks of eight columns, the last of which may have fewer.</summary>
    /// <param name="first">The first token: chains that begin with others are others.</param>
    public static PrefixChunk[] Chain(int first, int columns, int columnBytes = 100, ColumnName? root = null, int[]? tokens = null)
    {
        tokens ??= [.. Enumerable.Range(first, columns * PagePool.PageTokens)];
        var name = root ?? Root;
        List<PrefixChunk> chunks = [];
        for (var at = 0; at < columns; at += PrefixChunk.MostColumns)
        {
            var (parent, count) = (name, Math.Min(PrefixChunk.MostColumns, columns - at));
            for (var i = at; i < at + count; i++)
                name = name.Next(tokens.AsSpan(i * PagePool.PageTokens, PagePool.PageTokens));
            chunks.Add(new PrefixChunk(name.ToHex(), parent.ToHex(), (root ?? Root).ToHex(), tokens.AsMemory(at * PagePool.PageTokens, count * PagePool.PageTokens), columnBytes)
            {
                Origin = "test f32",
            });
        }

        return [.. chunks];
    }

    public static byte[] Rows(PrefixChunk chunk)
    {
        var rows = new byte[chunk.Bytes];
        new Random(Convert.ToInt32(chunk.Name[..7], 16)).NextBytes(rows);
        return rows;
    }

    public static void Write(IPrefixStore store, params PrefixChunk[] chunks)
    {
        foreach (var chunk in chunks)
            Assert.True(store.TryWrite(chunk, Rows(chunk)), store.Figures.Problem);
        store.Flush();
    }

    /// <summary>Whether a chunk is there, and then with the rows that were written.</summary>
    public static bool Has(IPrefixStore store, PrefixChunk chunk)
    {
        var rows = new byte[chunk.Bytes];
        if (!store.TryRead(chunk, rows))
            return false;
        Assert.Equal(Rows(chunk), rows);
        return true;
    }
}
