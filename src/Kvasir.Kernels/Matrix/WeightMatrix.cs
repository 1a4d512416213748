using Kvasir.Kernels.Memory;

namespace Kvasir.Kernels.Matrix;

/// <summary>A row-major weight matrix in memory that somebody else owns: rows are outputs, columns are inputs.</summary>
public readonly struct WeightMatrix
{
    public WeightMatrix(WeightType type, int rows, int columns, NativeView data)
    {
        var rowBytes = WeightLayout.RowBytes(type, columns);
        if (rows < 0 || data.Bytes != rows * rowBytes)
            throw new ArgumentException($"{rows} rows of {rowBytes} bytes do not fill {data.Bytes} bytes", nameof(data));
        (Type, Rows, Columns, RowBytes, Data) = (type, rows, columns, (int)rowBytes, data);
    }

    public WeightType Type { get; }

    public int Rows { get; }

    public int Columns { get; }

    public int RowBytes { get; }

    public NativeView Data { get; }

    public long Bytes => Data.Bytes;

    public ReadOnlySpan<byte> Row(int row) => Data.Span((long)row * RowBytes, RowBytes);
}
