using Kvasir.Files;
using Kvasir.Kernels.Files;
using Kvasir.Kernels.Matrix;
using Kvasir.Kernels.Memory;

namespace Kvasir.Models.Streaming;

/// <summary>Where matrices lie in their files, in whole blocks: what is read into one place of memory, one range behind the other.</summary>
internal sealed class MatrixRanges
{
    // What lies between two matrices is read with them rather than left out.
    private const long GapBytes = 64 << 10;
    private readonly ITensorSource _source;
    private readonly List<Range> _ranges = [];

    private MatrixRanges(ITensorSource source) => _source = source;

    /// <summary>Memory that all of them take together.</summary>
    public long Bytes { get; private set; }

    /// <summary>In the order in which they are read.</summary>
    public IReadOnlyList<Range> All => _ranges;

    /// <summary>What the mapped file has of them in memory goes.</summary>
    /// <param name="matrices">Those without rows are left out.</param>
    /// <exception cref="KvasirException">A matrix lies in no file.</exception>
    public static MatrixRanges Of(WeightMatrix[] matrices, ITensorSource source)
    {
        // Reading norms has brought their neighbours.
        foreach (var matrix in matrices)
            MappedFile.Release(matrix.Data);
        var ranges = new MatrixRanges(source);
        var places = matrices.Where(static matrix => matrix.Rows > 0).Select(matrix => ranges.InFile(matrix))
            .OrderBy(static place => place.File, StringComparer.Ordinal).ThenBy(static place => place.Offset);
        foreach (var (file, offset, bytes) in places)
            ranges.Add(file, offset / DirectFile.Alignment * DirectFile.Alignment, offset + bytes);
        return ranges;
    }

    /// <summary>Where one of them will be in the memory that they are read into.</summary>
    public long PlaceOf(in WeightMatrix matrix)
    {
        var (file, offset, bytes) = InFile(matrix);
        var range = _ranges.First(range => range.File == file && offset >= range.Start && offset + bytes <= range.Start + range.Bytes);
        return range.Place + offset - range.Start;
    }

    private (string File, long Offset, long Bytes) InFile(in WeightMatrix matrix) =>
        !matrix.IsPacked && _source.TryPlace(matrix.Data, out var file, out var offset)
            ? (file, offset, matrix.Bytes)
            : throw new KvasirException(
                KvasirError.Unsupported, $"{_source.Path}: matrices of its layers are put together when it is loaded, so they cannot be read layer by layer");

    private void Add(string file, long start, long end)
    {
        if (_ranges is [.., var last] && last.File == file && start <= last.Start + last.Bytes + GapBytes)
        {
            Bytes -= last.Bytes;
            _ranges[^1] = last with { Bytes = Whole(Math.Max(end, last.Start + last.Bytes) - last.Start) };
        }
        else
        {
            _ranges.Add(new Range(file, start, Whole(end - start), Bytes));
        }

        Bytes += _ranges[^1].Bytes;

        static long Whole(long bytes) => (bytes + DirectFile.Alignment - 1) / DirectFile.Alignment * DirectFile.Alignment;
    }

    /// <param name="Start">In the file.</param>
    /// <param name="Place">In memory.</param>
    internal readonly record struct Range(string File, long Start, long Bytes, long Place);
}
