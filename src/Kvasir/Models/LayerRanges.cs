using Kvasir.Files;
using Kvasir.Kernels.Files;
using Kvasir.Kernels.Matrix;
using Kvasir.Kernels.Memory;

namespace Kvasir.Models;

/// <summary>Where a layer's matrices lie in their files, in whole blocks: what is read into one place of memory, one range behind the other.</summary>
internal sealed class LayerRanges
{
    // What lies between two matrices is read with them rather than left out.
    private const long GapBytes = 64 << 10;
    private readonly List<Range> _ranges = [];

    private LayerRanges()
    {
    }

    /// <summary>Memory that all of them take together.</summary>
    public long Bytes { get; private set; }

    /// <summary>In the order in which they are read.</summary>
    public IReadOnlyList<Range> All => _ranges;

    /// <summary>What the mapped file has of them in memory goes.</summary>
    /// <exception cref="KvasirException">A matrix lies in no file.</exception>
    public static LayerRanges Of(LayerWeights layer, ITensorSource source)
    {
        // Reading norms has brought their neighbours.
        foreach (var matrix in Matrices(layer))
            MappedFile.Release(matrix.Data);
        var places = Matrices(layer).Where(static matrix => matrix.Rows > 0).Select(matrix => PlaceOf(matrix, source))
            .OrderBy(static place => place.File, StringComparer.Ordinal).ThenBy(static place => place.Offset);
        var ranges = new LayerRanges();
        foreach (var (file, offset, bytes) in places)
            ranges.Add(file, offset / DirectFile.Alignment * DirectFile.Alignment, offset + bytes);
        return ranges;
    }

    /// <summary>The same layer, whose matrices are read from where they will have been put.</summary>
    public LayerWeights In(NativeView memory, LayerWeights layer, ITensorSource source)
    {
        return layer with
        {
            Query = Moved(layer.Query),
            Key = Moved(layer.Key),
            Value = Moved(layer.Value),
            Output = Moved(layer.Output),
            Gate = Moved(layer.Gate),
            Up = Moved(layer.Up),
            Down = Moved(layer.Down),
        };

        WeightMatrix Moved(in WeightMatrix matrix)
        {
            if (matrix.Rows == 0)
                return matrix;
            var (file, offset, bytes) = PlaceOf(matrix, source);
            var range = _ranges.First(range => range.File == file && offset >= range.Start && offset + bytes <= range.Start + range.Bytes);
            return new WeightMatrix(matrix.Type, matrix.Rows, matrix.Columns, memory.Slice(range.Place + offset - range.Start, bytes));
        }
    }

    private static WeightMatrix[] Matrices(LayerWeights layer) => [layer.Query, layer.Key, layer.Value, layer.Output, layer.Gate, layer.Up, layer.Down];

    private static (string File, long Offset, long Bytes) PlaceOf(in WeightMatrix matrix, ITensorSource source) =>
        !matrix.IsPacked && source.TryPlace(matrix.Data, out var file, out var offset)
            ? (file, offset, matrix.Bytes)
            : throw new KvasirException(
                KvasirError.Unsupported, $"{source.Path}: matrices of its layers are put together when it is loaded, so they cannot be read layer by layer");

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
