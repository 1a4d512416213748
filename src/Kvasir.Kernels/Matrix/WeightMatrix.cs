using Kvasir.Kernels.Matrix.Packed;
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

    private WeightMatrix(WeightType type, int rows, int columns, long bytes, NativeView packed)
    {
        (Type, Rows, Columns, IsPacked) = (type, rows, columns, true);
        RowBytes = WeightLayout.RowBytes(type, columns);
        Data = packed.Slice(0, bytes);
    }

    public WeightType Type { get; }

    /// <summary>Whether the rows lie as <see cref="PackedWeights"/> has put them: thirty-two side by side.</summary>
    public bool IsPacked { get; }

    public int Rows { get; }

    public int Columns { get; }

    /// <summary>Bytes of a row as the format stores it.</summary>
    public long RowBytes { get; }

    public long Bytes => IsPacked ? Data.Bytes : Rows * RowBytes;

    public NativeView Data { get; }

    /// <summary>A matrix whose packed bytes lie in <paramref name="packed"/>.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The type has no packed form, or the view is too short.</exception>
    public static WeightMatrix Packed(WeightType type, int rows, int columns, NativeView packed) =>
        new(type, rows, columns, PackedWeights.Bytes(type, rows, columns), packed);

    /// <summary>The stored bytes of one row.</summary>
    /// <exception cref="InvalidOperationException">The matrix is packed: its rows are not in one piece.</exception>
    public ReadOnlySpan<byte> Row(int row)
    {
        if (IsPacked)
            throw new InvalidOperationException("a packed matrix has no rows in one piece");
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)row, (uint)Rows, nameof(row));
        return Data.Span(row * RowBytes, (int)RowBytes);
    }
}
