using System.Runtime.Intrinsics;
using Kvasir.Kernels.Elementwise;

namespace Kvasir.Kernels.Attention;

/// <summary>Rows widened to f32 once, for products with so many queries that widening them for each would cost more than the products.</summary>
internal static unsafe class RowPanel<TCodec, TLanes, V>
    where TCodec : struct, IKvCodec
    where TLanes : struct, ILanes<V>
    where V : struct
{
    /// <summary>row = the decoded elements.</summary>
    public static void WidenRow(byte* stored, int dim, float* row)
    {
        var d = 0;
        for (; d <= dim - TLanes.Count; d += TLanes.Count)
            TLanes.Store(TCodec.Load<TLanes, V>(stored, dim, d), row + d);
        for (; d < dim; d++)
            row[d] = TCodec.Load<Lanes1, float>(stored, dim, d);
    }

    /// <summary>panel[i, 0..dim) = row i, with zeros up to width.</summary>
    public static void Widen(byte** rows, int rowCount, int dim, float* panel, int width)
    {
        for (var i = 0; i < rowCount; i++)
        {
            WidenRow(rows[i], dim, panel + i * width);
            new Span<float>(panel + i * width + dim, width - dim).Clear();
        }
    }

    /// <summary>panel[d, i] = factor * row i's element d for all <paramref name="width"/> rows; width is a multiple of 4.</summary>
    public static void WidenTransposed(byte** rows, int width, int dim, float factor, float* panel)
    {
        for (var i = 0; i < width; i += 4)
        {
            var d = TLanes.Count == 1 ? 0 : TransposeWhole(rows + i, dim, factor, panel + i, width);
            for (; d < dim; d++)
            {
                for (var j = 0; j < 4; j++)
                    panel[d * width + i + j] = factor * TCodec.Load<Lanes1, float>(rows[i + j], dim, d);
            }
        }
    }

    // Squares of 4 x 4: 128-bit registers transpose with no shuffles across lanes, on every machine. Returns the elements done.
    private static int TransposeWhole(byte** rows, int dim, float factor, float* panel, int width)
    {
        var f = Vector128.Create(factor);
        var d = 0;
        for (; d <= dim - 4; d += 4)
        {
            var a = TCodec.Load<Lanes128, Vector128<float>>(rows[0], dim, d) * f;
            var b = TCodec.Load<Lanes128, Vector128<float>>(rows[1], dim, d) * f;
            var c = TCodec.Load<Lanes128, Vector128<float>>(rows[2], dim, d) * f;
            var e = TCodec.Load<Lanes128, Vector128<float>>(rows[3], dim, d) * f;
            Lanes128.Transpose(ref a, ref b, ref c, ref e);
            var column = panel + d * width;
            a.Store(column);
            b.Store(column + width);
            c.Store(column + 2 * width);
            e.Store(column + 3 * width);
        }

        return d;
    }
}
