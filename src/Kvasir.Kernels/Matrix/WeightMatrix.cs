using Kvasir.Kernels.Memory;

namespace Kvasir.Kernels.Matrix;

/// <summary>A matrix [rows, columns] in row-major order where it lies in memory; a row is one output, a column one input.</summary>
public readonly struct WeightMatrix
{
    /// <summary>Columns are whole blocks of the type. The view starts at row 0; what follows the last row is not read.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A count is negative, a row is not whole blocks, or the rows do not fit into the view.</exception>
    public WeightMatrix(WeightType type, int rows, int columns, NativeView data)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(rows);
        (Type, Rows, Columns) = (type, rows, columns);
        RowBytes = WeightLayout.RowBytes(type, columns);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(RowBytes, int.MaxValue, nameof(columns));
        if (Bytes > data.Bytes)
            throw new ArgumentOutOfRangeException(nameof(data), $"{rows} x {columns} elements of {type} take {Bytes} bytes, the view has {data.Bytes}");
        Data = data.Slice(0, Bytes);
    }

    public WeightType Type { get; }

    public int Rows { get; }

    public int Columns { get; }

    public long RowBytes { get; }

    public long Bytes => Rows * RowBytes;

    public NativeView Data { get; }

    /// <summary>The stored bytes of one row.</summary>
    public ReadOnlySpan<byte> Row(int row)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)row, (uint)Rows, nameof(row));
        return Data.Span(row * RowBytes, (int)RowBytes);
    }
}
