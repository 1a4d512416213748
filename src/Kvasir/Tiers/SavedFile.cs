namespace Kvasir.Tiers;

/// <summary>What a file of <see cref="Engine.SaveKv"/> says of itself.</summary>
/// <param name="Tokens">Of the conversation.</param>
/// <param name="RowTokens">Those of them whose keys and values it has.</param>
/// <param name="Bytes">Of the file.</param>
/// <param name="Model">By name, and by what its weights are.</param>
/// <param name="Format">How rows are stored.</param>
/// <param name="Attention">How they were computed.</param>
public sealed record SavedFile(int Tokens, int RowTokens, long Bytes, string Model, string Format, string Attention)
{
    /// <exception cref="KvasirException">It is missing, cannot be read, is no such file, or its header is damaged.</exception>
    public static SavedFile Read(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        using var saved = SavedRows.Open(path);
        var header = saved.Header;
        return new SavedFile(
            header.Tokens.Length, header.Sums.Length * Cache.PagePool.PageTokens, header.FileBytes, header.Origin.Model, header.Origin.Format,
            header.Origin.Lineage);
    }

    /// <summary>Reads all of its rows.</summary>
    /// <exception cref="KvasirException">As <see cref="Read"/>; or rows are not what was written.</exception>
    public static void Verify(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        using var saved = SavedRows.Open(path);
        for (var column = 0; column < saved.Header.Sums.Length; column++)
            saved.Read(column);
    }
}
