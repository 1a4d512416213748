using System.Runtime.Intrinsics;
using Kvasir.Kernels.Matrix.Codecs;

namespace Kvasir.Kernels.Matrix;

/// <summary>
/// Activations to <see cref="Q8Block32Row"/>: the largest magnitude of a block becomes 127. With a NaN or an infinity in it the block's scale is one.
/// </summary>
internal static unsafe class Block32Quantizer
{
    private const int Block = Q8Block32Row.BlockElements;
    private const float MaxCode = 127;

    public static void Scalar(float* row, int columns, byte* prepared)
    {
        var target = new Q8Block32Row(prepared, columns);
        for (var block = 0; block < columns / Block; block++)
        {
            var source = row + block * Block;
            var largest = 0f;
            for (var i = 0; i < Block; i++)
                largest = MathF.Max(largest, MathF.Abs(source[i]));

            var sum = 0;
            var inverse = Inverse(largest);
            for (var i = 0; i < Block; i++)
                sum += target.Codes[block * Block + i] = CodeRounding.Round(source[i] * inverse);
            SetScale(target, block, largest, sum);
        }
    }

    public static void Wide256(float* row, int columns, byte* prepared)
    {
        var target = new Q8Block32Row(prepared, columns);
        for (var block = 0; block < columns / Block; block++)
        {
            var source = row + block * Block;
            var (x0, x1) = (Vector256.Load(source), Vector256.Load(source + 8));
            var (x2, x3) = (Vector256.Load(source + 16), Vector256.Load(source + 24));
            var largest = CodeRounding.Largest(Vector256.Max(
                Vector256.Max(CodeRounding.Magnitudes(x0), CodeRounding.Magnitudes(x1)),
                Vector256.Max(CodeRounding.Magnitudes(x2), CodeRounding.Magnitudes(x3))));

            var inverse = Vector256.Create(Inverse(largest));
            var (q0, q1) = (CodeRounding.Round(x0 * inverse), CodeRounding.Round(x1 * inverse));
            var (q2, q3) = (CodeRounding.Round(x2 * inverse), CodeRounding.Round(x3 * inverse));
            Vector256.Narrow(Vector256.Narrow(q0, q1), Vector256.Narrow(q2, q3)).Store(target.Codes + block * Block);
            SetScale(target, block, largest, Vector256.Sum(q0 + q1 + (q2 + q3)));
        }
    }

    private static float Inverse(float largest) => largest != 0 ? MaxCode / largest : 0;

    private static void SetScale(Q8Block32Row target, int block, float largest, int sum)
    {
        // llama.cpp stores this scale as a half; the codes come from the unrounded one.
        var scale = float.IsFinite(largest) ? HalfFloat.Round(largest / MaxCode) : float.NaN;
        target.Scales[block] = scale;
        target.NibbleOffsets[block] = -8 * sum;
        target.ScaledSums[block] = scale * sum;
    }
}
