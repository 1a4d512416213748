using System.Runtime.InteropServices;
using Kvasir.Kernels;
using Kvasir.Kernels.Matrix;
using Kvasir.Kernels.Memory;

namespace Kvasir.Test.Support;

/// <summary>A weight matrix and a batch of activations, and what their product is in double precision.</summary>
internal sealed class ProductCase : IDisposable
{
    // Rows end just before bytes that belong to nobody; reading them would not fault, so they hold what would show in a result.
    private const int Margin = 256;
    private readonly NativeBuffer _buffer;
    private readonly float[] _activations;

    public ProductCase(WeightType type, int rows, int columns, int batch, Func<int, byte[]> row, Func<int, float> activation)
    {
        (Type, Rows, Columns, Batch) = (type, rows, columns, batch);
        var activations = new float[batch * columns];
        for (var i = 0; i < activations.Length; i++)
            activations[i] = activation(i);
        _activations = activations;
        var rowBytes = (int)WeightLayout.RowBytes(type, columns);
        _buffer = new NativeBuffer((long)rows * rowBytes + Margin);
        _buffer.Span<byte>((int)_buffer.Bytes).Fill(0x7F);
        for (var r = 0; r < rows; r++)
            row(r).CopyTo(_buffer.View.Span(r * rowBytes, rowBytes));
        Weights = new WeightMatrix(type, rows, columns, _buffer.View);

        var kind = Activations.KindOf(type);
        var preparedBytes = Activations.RowBytes(kind, columns);
        Prepared = new byte[batch * preparedBytes];
        for (var b = 0; b < batch; b++)
            Activations.Prepare(kind, Values(b), Prepared.AsSpan(b * preparedBytes, preparedBytes));
    }

    public WeightType Type { get; }

    public int Rows { get; }

    public int Columns { get; }

    public int Batch { get; }

    public WeightMatrix Weights { get; }

    public byte[] Prepared { get; }

    public static ProductCase Random(WeightType type, int rows, int columns, int batch, int seed)
    {
        var random = new Random(seed);
        return new ProductCase(type, rows, columns, batch, _ => BlockEncoder.Random(type, columns, random), _ => random.NextSingle() * 2 - 1);
    }

    /// <summary>The activations of one row of the batch, before they are prepared.</summary>
    public ReadOnlySpan<float> Values(int b) => _activations.AsSpan(b * Columns, Columns);

    public float[] Run(Variant<ProductKernel> variant)
    {
        var results = new float[Batch * Rows];
        Array.Fill(results, float.NaN);
        MatrixProduct.Run(variant.Run, Weights, 0, Rows, Prepared, Batch, results, Rows);
        return results;
    }

    /// <summary>[batch, rows] of the sum, and of the sum of magnitudes that rounding errors are measured by.</summary>
    /// <param name="exactActivations">Whether activations are taken as they are, and not as the stored weights' kernels round them.</param>
    public (double[] Sums, double[] Magnitudes) Exact(bool exactActivations = false)
    {
        var (sums, magnitudes) = (new double[Batch * Rows], new double[Batch * Rows]);
        for (var r = 0; r < Rows; r++)
        {
            var weights = new double[Columns];
            var sizes = new double[Columns];
            for (var i = 0; i < Columns; i++)
            {
                weights[i] = SlowWeights.Element(Type, Weights.Row(r), i);
                sizes[i] = Math.Max(Math.Abs(weights[i]), SlowWeights.Size(Type, Weights.Row(r), i));
            }

            for (var b = 0; b < Batch; b++)
            {
                for (var i = 0; i < Columns; i++)
                {
                    var x = exactActivations ? Values(b)[i] : Activation(b, i);
                    sums[b * Rows + r] += weights[i] * x;
                    magnitudes[b * Rows + r] += sizes[i] * Math.Abs(x);
                }
            }
        }

        return (sums, magnitudes);
    }

    public void Dispose() => _buffer.Dispose();

    private double Activation(int b, int column)
    {
        var kind = Activations.KindOf(Type);
        var rowBytes = Activations.RowBytes(kind, Columns);
        var row = Prepared.AsSpan(b * rowBytes, rowBytes);
        if (kind == ActivationKind.F32)
            return MemoryMarshal.Cast<byte, float>(row)[column];
        var scales = MemoryMarshal.Cast<byte, float>(row[Columns..]);
        return (double)(sbyte)row[column] * scales[column / (kind == ActivationKind.Q8Block32 ? 32 : 256)];
    }
}
