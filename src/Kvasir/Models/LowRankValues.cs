using Kvasir.Ground;
using Kvasir.Kernels.Elementwise;
using Kvasir.Kernels.Matrix;
using Kvasir.Kernels.Memory;

namespace Kvasir.Models;

/// <summary>
/// Values in fewer elements than their heads have (LoRC: Zhang et al. 2024, arXiv 2410.03111), from the weights alone. Of each KV head's part of the value
/// matrix the best approximation of a rank is a basis times what is left of the matrix: the cache holds what is left, and the basis goes into the output
/// matrix, so that nothing is ever built up again. A bias of values goes into that of the output, whole, since weights of attention sum to 1. The paper
/// decomposes the values of all heads together, which makes rows that each query head would have to read whole; and it gives low layers more, where pages are
/// of one size here. Keys stay as they are: they are rotated by their positions, and to build each up again for every step would cost dim x rank products a
/// row.
/// </summary>
/// <param name="headDim">Elements of a value.</param>
/// <param name="rank">Elements that are left: at most as many.</param>
internal sealed class LowRankValues(int headDim, int rank) : IDisposable
{
    private readonly List<NativeBuffer> _buffers = [];

    /// <summary>Bytes of the matrices that it made.</summary>
    public long Bytes { get; private set; }

    /// <summary>The matrices that do the work of two others, which are stored row by row; and what is added to the output.</summary>
    /// <param name="value">[KV heads x dim, width]</param>
    /// <param name="output">[width, heads x dim]</param>
    /// <param name="valueBias">[KV heads x dim], or null.</param>
    /// <param name="outputBias">[width], or null.</param>
    public (WeightMatrix Value, WeightMatrix Output, float[]? OutputBias) Of(
        in WeightMatrix value, in WeightMatrix output, float[]? valueBias, float[]? outputBias)
    {
        Invariant.Holds(rank <= headDim && value.Rows % headDim == 0 && output.Columns % headDim == 0);
        var (kvHeads, heads) = (value.Rows / headDim, output.Columns / headDim);
        var bases = new float[kvHeads][];
        var narrow = Take(value.Type, kvHeads * rank, value.Columns);
        var (from, to) = (value, output);
        Parallel.For(0, kvHeads, head =>
        {
            var rows = Rows(from, head * headDim, headDim);
            bases[head] = Basis(rows);
            Multiply(bases[head], rows, narrow, head * rank);
        });
        var turned = Take(output.Type, output.Rows, heads * rank);
        var bias = valueBias is null ? outputBias : (outputBias ?? new float[output.Rows]).AsSpan().ToArray();
        Parallel.For(0, output.Rows, row =>
        {
            var (own, left) = (new float[to.Columns], new float[heads * rank]);
            WeightRow.Decode(to.Type, to.Row(row), own);
            for (var head = 0; head < heads; head++)
            {
                var part = own.AsSpan(head * headDim, headDim);
                var kvHead = head / (heads / kvHeads);
                for (var i = 0; i < rank; i++)
                    left[head * rank + i] = VectorMath.Dot(part, bases[kvHead].AsSpan(i * headDim, headDim));
                if (valueBias is not null)
                    bias![row] += VectorMath.Dot(part, valueBias.AsSpan(kvHead * headDim, headDim));
            }

            Write(turned, row, left);
        });
        return (narrow, turned, bias);
    }

    public void Dispose()
    {
        foreach (var buffer in _buffers)
            buffer.Dispose();
    }

    private static float[][] Rows(in WeightMatrix matrix, int first, int count)
    {
        var rows = new float[count][];
        for (var i = 0; i < count; i++)
            WeightRow.Decode(matrix.Type, matrix.Row(first + i), rows[i] = new float[matrix.Columns]);
        return rows;
    }

    // [rank, dim]: the directions in which the rows of a head reach farthest, its left singular vectors.
    private float[] Basis(float[][] rows)
    {
        var products = new double[headDim * headDim];
        for (var i = 0; i < headDim; i++)
        {
            for (var j = 0; j <= i; j++)
                products[i * headDim + j] = products[j * headDim + i] = Dot(rows[i], rows[j]);
        }

        var axes = PrincipalAxes.Of(products, headDim);
        var basis = new float[rank * headDim];
        for (var i = 0; i < basis.Length; i++)
            basis[i] = (float)axes[i];
        return basis;
    }

    private void Multiply(float[] basis, float[][] rows, in WeightMatrix target, int firstRow)
    {
        var sum = new float[target.Columns];
        for (var i = 0; i < rank; i++)
        {
            Array.Clear(sum);
            for (var j = 0; j < headDim; j++)
                VectorMath.AddScaled(basis[i * headDim + j], rows[j], sum);
            Write(target, firstRow + i, sum);
        }
    }

    // Floats stay floats; whatever else was rounded already is rounded to bf16.
    private WeightMatrix Take(WeightType of, int rows, int columns)
    {
        var type = of == WeightType.F32 ? WeightType.F32 : WeightType.BF16;
        var bytes = rows * WeightLayout.RowBytes(type, columns);
        var buffer = NativeBuffer.Uninitialized(bytes);
        _buffers.Add(buffer);
        Bytes += bytes;
        return new WeightMatrix(type, rows, columns, buffer.View);
    }

    private static void Write(in WeightMatrix matrix, int row, ReadOnlySpan<float> elements)
    {
        if (matrix.Type == WeightType.F32)
        {
            elements.CopyTo(matrix.Data.Span<float>(row * matrix.RowBytes, elements.Length));
            return;
        }

        var stored = matrix.Data.Span<ushort>(row * matrix.RowBytes, elements.Length);
        for (var i = 0; i < elements.Length; i++)
        {
            // To the nearest, ties to even.
            var bits = BitConverter.SingleToUInt32Bits(elements[i]);
            stored[i] = (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
        }
    }

    private static double Dot(float[] x, float[] y)
    {
        var sum = 0.0;
        for (var i = 0; i < x.Length; i++)
            sum += (double)x[i] * y[i];
        return sum;
    }
}
