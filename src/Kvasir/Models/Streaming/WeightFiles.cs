using Kvasir.Files;
using Kvasir.Kernels.Files;

namespace Kvasir.Models.Streaming;

/// <summary>Files that weights are read from past the page cache, each opened once, and what is read of them at a time.</summary>
internal sealed class WeightFiles : IDisposable
{
    // Reads of so many bytes, four at a time, are as fast as a disk is.
    private const int PieceBytes = 1 << 20;
    private readonly Dictionary<string, DirectReader> _files = [];

    /// <summary>Why they go through the system's page cache; null where they do not.</summary>
    public string? WhyCached => _files.Values.Select(static file => file.WhyCached).FirstOrDefault(static why => why is not null);

    /// <summary>In the order in which they are read.</summary>
    /// <exception cref="KvasirException">A file cannot be opened.</exception>
    public Piece[] PiecesOf(MatrixRanges ranges) => [.. ranges.All.SelectMany(PiecesOf)];

    public void Dispose()
    {
        foreach (var file in _files.Values)
            file.Dispose();
    }

    private IEnumerable<Piece> PiecesOf(MatrixRanges.Range range)
    {
        if (!_files.TryGetValue(range.File, out var file))
        {
            try
            {
                _files[range.File] = file = DirectReader.Open(range.File);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw new KvasirException(KvasirError.BadFile, $"{MessageText.Line(range.File)}: {e.Message}", e);
            }
        }

        for (var done = 0L; done < range.Bytes; done += PieceBytes)
            yield return new Piece(file, range.Start + done, range.Place + done, Math.Min(PieceBytes, range.Bytes - done));
    }

    /// <param name="Offset">In the file.</param>
    /// <param name="Place">In the memory that it is read into.</param>
    internal readonly record struct Piece(DirectReader File, long Offset, long Place, long Bytes);
}
