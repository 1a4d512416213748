using System.Runtime.Intrinsics;
using Kvasir.Kernels.Matrix.Codecs;

namespace Kvasir.Kernels.Matrix;

/// <summary>
/// Rounds rows to Q4_0. Of a few scales around the one that gives the largest element code -8, the one is taken by which the sum of squared errors, weighted by
/// the squares of the elements, is least, each fitted to its codes: what is far from zero counts for more in products.
/// </summary>
public static unsafe class Q4_0Row
{
    private const int Block = 32;
    private const int Lanes = 8;

    // Codes that the largest element may get.
    private static readonly float[] Largest = [-8, -7.5f, -7, -6.5f, -8.5f];

    /// <summary>Stores a row of whole blocks.</summary>
    /// <param name="row">A multiple of 32 elements.</param>
    /// <param name="stored"><see cref="WeightLayout.RowBytes"/>.</param>
    public static void Encode(ReadOnlySpan<float> row, Span<byte> stored)
    {
        var bytes = WeightLayout.RowBytes(WeightType.Q4_0, row.Length);
        if (stored.Length != bytes)
            throw new ArgumentOutOfRangeException(nameof(stored), $"{row.Length} elements take {bytes} bytes, not {stored.Length}");
        fixed (float* source = row)
        fixed (byte* target = stored)
        {
            for (var block = 0; block < row.Length / Block; block++)
                EncodeBlock(source + block * Block, target + block * Q4_0Codec.BlockBytes);
        }
    }

    private static void EncodeBlock(float* x, byte* stored)
    {
        var largest = 0f;
        for (var i = 0; i < Block; i++)
        {
            // A NaN stays one, and its block's scale with it.
            if (!(MathF.Abs(x[i]) <= MathF.Abs(largest)))
                largest = x[i];
        }

        var scale = 0f;
        if (largest != 0 && float.IsFinite(largest))
            scale = BestScale(x, largest);
        else if (!float.IsFinite(largest))
            scale = float.NaN;
        *(Half*)stored = (Half)scale;
        var inverse = scale is 0 or float.NaN ? 0 : 1 / (float)(Half)scale;
        inverse = float.IsFinite(inverse) ? inverse : 0;
        for (var i = 0; i < Block / 2; i++)
            stored[HalfFloat.Bytes + i] = (byte)(Code(x[i] * inverse) | (Code(x[i + Block / 2] * inverse) << 4));
    }

    private static uint Code(float steps) => (uint)(Math.Clamp(MathF.Round(steps), -8, 7) + 8);

    // With weights w = x^2 and codes c the best scale is sum(w x c) / sum(w c^2), and what it explains of the sum of w x^2 is sum(w x c)^2 / sum(w c^2).
    private static float BestScale(float* x, float largest)
    {
        var (best, most) = (largest / -8, -1f);
        foreach (var code in Largest)
        {
            var inverse = Vector256.Create(code / largest);
            var (products, squares) = (Vector256<float>.Zero, Vector256<float>.Zero);
            for (var i = 0; i < Block; i += Lanes)
            {
                var own = Vector256.Load(x + i);
                var steps = Vector256.Min(Vector256.Max(Vector256.Round(own * inverse), Vector256.Create(-8f)), Vector256.Create(7f));
                var weighted = own * own * steps;
                (products, squares) = (products + weighted * own, squares + weighted * steps);
            }

            var (product, square) = (Vector256.Sum(products), Vector256.Sum(squares));
            if (square > 0 && product * product > most * square)
                (best, most) = (product / square, product * product / square);
        }

        return best;
    }
}
