using Kvasir.Kernels.Memory;

namespace Kvasir.Kernels.Attention.Formats;

/// <summary>Rows wherever they lie, by their addresses.</summary>
/// <param name="codes">Addresses of the codes.</param>
/// <param name="scales">Addresses of the scales; not written for a format without them.</param>
internal readonly unsafe struct StoredRows(byte** codes, byte** scales)
{
    public byte** Codes => codes;

    public byte** Scales => scales;

    public StoredRow this[int index] => new(codes[index], scales[index]);

    /// <summary>The rows from <paramref name="index"/> on.</summary>
    public StoredRows From(int index) => new(codes + index, scales + index);

    /// <summary>Asks for all lines of row <paramref name="index"/>.</summary>
    public void Ask(int index, in RowLayout layout)
    {
        CacheLines.PrefetchAll(codes[index], layout.Stride);
        if (layout.HasScales)
            CacheLines.PrefetchAll(scales[index], layout.ScaleBytes);
    }
}
