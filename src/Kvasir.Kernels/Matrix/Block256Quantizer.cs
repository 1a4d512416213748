using System.Runtime.Intrinsics;

namespace Kvasir.Kernels.Matrix;

/// <summary>
/// Activations to <see cref="Q8Block256Row"/>. The element of largest magnitude becomes -127, whatever its sign, so the scale is
/// negative where that element is positive. With a NaN or an infinity in it the block's scale is NaN.
/// </summary>
internal static unsafe class Block256Quantizer
{
    private const int Block = Q8Block256Row.BlockElements;
    private const int Sums = Q8Block256Row.Sums16PerBlock;
    private const float LargestCode = -127;

    public static void Scalar(float* row, int columns, byte* prepared)
    {
        var target = new Q8Block256Row(prepared, columns);
        for (var block = 0; block < columns / Block; block++)
        {
            var source = row + block * Block;
            var largest = 0f;
            for (var i = 0; i < Block; i++)
                largest = MathF.Max(largest, MathF.Abs(source[i]));

            var inverse = SetScale(target, block, source, largest);
            for (var group = 0; group < Sums; group++)
            {
                var (first, sum) = (group * 16, 0);
                for (var i = first; i < first + 16; i++)
                    sum += target.Codes[block * Block + i] = CodeRounding.Round(source[i] * inverse);
                target.Sums16[block * Sums + group] = (short)sum;
            }

            PairSums(target, block);
        }
    }

    public static void Wide256(float* row, int columns, byte* prepared)
    {
        var target = new Q8Block256Row(prepared, columns);
        for (var block = 0; block < columns / Block; block++)
        {
            var source = row + block * Block;
            var magnitudes = Vector256<int>.Zero;
            for (var i = 0; i < Block; i += Vector256<float>.Count)
                magnitudes = Vector256.Max(magnitudes, CodeRounding.Magnitudes(Vector256.Load(source + i)));

            var inverse = Vector256.Create(SetScale(target, block, source, CodeRounding.Largest(magnitudes)));
            for (var group = 0; group < Sums; group++)
            {
                var first = group * 16;
                var q0 = CodeRounding.Round(Vector256.Load(source + first) * inverse);
                var q1 = CodeRounding.Round(Vector256.Load(source + first + 8) * inverse);
                var codes = Vector256.Narrow(q0, q1);
                Vector128.Narrow(codes.GetLower(), codes.GetUpper()).Store(target.Codes + block * Block + first);
                target.Sums16[block * Sums + group] = (short)Vector256.Sum(q0 + q1);
            }

            PairSums(target, block);
        }
    }

    /// <summary>Returns what the block's elements are multiplied by.</summary>
    private static float SetScale(Q8Block256Row target, int block, float* source, float largest)
    {
        if (!float.IsFinite(largest))
        {
            target.Scales[block] = float.NaN;
            return 0;
        }

        var signed = 0f;
        for (var i = 0; i < Block && signed == 0; i++)
        {
            if (MathF.Abs(source[i]) == largest)
                signed = source[i];
        }

        var inverse = signed != 0 ? LargestCode / signed : 0;
        target.Scales[block] = inverse != 0 ? 1 / inverse : 0;
        return inverse;
    }

    private static void PairSums(Q8Block256Row target, int block)
    {
        var sums = target.Sums16 + block * Sums;
        for (var i = 0; i < Q8Block256Row.Sums32PerBlock; i++)
            target.Sums32[block * Q8Block256Row.Sums32PerBlock + i] = (short)(sums[2 * i] + sums[2 * i + 1]);
    }
}
