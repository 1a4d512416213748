using Kvasir.Kernels.Matrix;
using Kvasir.Kernels.Memory;

namespace Kvasir.Forward;

/// <summary>Room for rows in each form that matrices want of them, and for one row of each worker between its norm and those forms.</summary>
internal sealed class PreparedRows : IDisposable
{
    // The longest quantised row has whole blocks of so many; a longer row of floats may not.
    private const int MostBlockElements = 256;

    private readonly NativeBuffer?[] _forms = new NativeBuffer?[Enum.GetValues<ActivationKind>().Length];
    private readonly NativeBuffer _normed;
    private readonly int _maxColumns;
    private readonly RowNorm _norm;

    /// <param name="maxRows">Rows that are prepared together.</param>
    /// <param name="maxColumns">The longest row.</param>
    /// <param name="workerCount">Workers that may prepare at once.</param>
    /// <param name="kinds">The forms that matrices want.</param>
    /// <param name="norm">Of the model.</param>
    public PreparedRows(int maxRows, int maxColumns, int workerCount, IReadOnlySet<ActivationKind> kinds, RowNorm norm)
    {
        (RowCount, _maxColumns, _norm) = (maxRows, maxColumns, norm);
        _normed = new NativeBuffer(NormedBytes(maxColumns, workerCount));
        foreach (var kind in kinds)
            _forms[(int)kind] = NativeBuffer.Uninitialized(FormBytes(kind, maxRows, maxColumns));
    }

    /// <summary>Rows that there is room for.</summary>
    public int RowCount { get; }

    /// <summary>What <see cref="Bytes"/> will be.</summary>
    public static long BytesFor(int maxRows, int maxColumns, int workerCount, IReadOnlySet<ActivationKind> kinds) =>
        NormedBytes(maxColumns, workerCount) + kinds.Sum(kind => FormBytes(kind, maxRows, maxColumns));

    /// <summary>Bytes of scratch held.</summary>
    public long Bytes
    {
        get
        {
            var bytes = _normed.Bytes;
            foreach (var form in _forms)
                bytes += form?.Bytes ?? 0;
            return bytes;
        }
    }

    /// <summary>A row as matrices are to see it: normed, where <paramref name="rows"/> say so.</summary>
    public ReadOnlySpan<float> Row(in LinearRows rows, int row, int worker)
    {
        var columns = rows.Columns;
        ReadOnlySpan<float> values = rows.Values.Span<float>((long)row * columns * sizeof(float), columns);
        if (rows.Norm is not { } norm)
            return values;
        var normed = _normed.View.Span<float>((long)worker * _maxColumns * sizeof(float), columns);
        _norm.Apply(values, norm, normed);
        return normed;
    }

    /// <summary>[<paramref name="count"/>, row bytes of <paramref name="kind"/>]: rows in one form, from <paramref name="first"/> on.</summary>
    public Span<byte> Form(ActivationKind kind, int first, int count, int columns)
    {
        var rowBytes = Activations.RowBytes(kind, columns);
        return _forms[(int)kind]!.View.Span((long)first * rowBytes, count * rowBytes);
    }

    public void Dispose()
    {
        _normed.Dispose();
        foreach (var form in _forms)
            form?.Dispose();
    }

    private static long NormedBytes(int maxColumns, int workerCount) => (long)workerCount * maxColumns * sizeof(float);

    private static long FormBytes(ActivationKind kind, int maxRows, int maxColumns) =>
        (long)maxRows * Activations.RowBytes(kind, (maxColumns + MostBlockElements - 1) / MostBlockElements * MostBlockElements);
}
