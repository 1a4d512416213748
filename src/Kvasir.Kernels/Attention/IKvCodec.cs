using Kvasir.Kernels.Elementwise;

namespace Kvasir.Kernels.Attention;

/// <summary>How one format of cached rows is written and read. Kernels are generic over it, so a format is one struct and no loop.</summary>
internal unsafe interface IKvCodec
{
    /// <summary>Bytes from one row of <paramref name="dim"/> elements to the next.</summary>
    static abstract int RowBytes(int dim);

    /// <summary>Writes all RowBytes(row.Length) bytes, padding included.</summary>
    static abstract void Encode(ReadOnlySpan<float> row, byte* stored);

    /// <summary>
    /// The elements [index, index + TLanes.Count) of a row of <paramref name="dim"/>, all of which must exist; index is a multiple of
    /// TLanes.Count.
    /// </summary>
    static abstract V Load<TLanes, V>(byte* row, int dim, int index)
        where TLanes : struct, ILanes<V>
        where V : struct;
}
