using System.Runtime.Intrinsics;

namespace Kvasir.Kernels.Elementwise;

public delegate float ExponentialsFunc(Span<float> scores, float max);

/// <summary>The middle of a softmax. Its ends, the maximum and the division by the mass, belong to whoever merges parts.</summary>
public static class Softmax
{
    public static readonly Variant<ExponentialsFunc>[] Variants =
    [
        new("scalar", true, Wide<FloatLanes1, float>),
        new("128", Vector128.IsHardwareAccelerated, Wide<FloatLanes128, Vector128<float>>),
        new("256", Vector256.IsHardwareAccelerated, Wide<FloatLanes256, Vector256<float>>),
        new("512", Vector512.IsHardwareAccelerated, Wide<FloatLanes512, Vector512<float>>),
    ];

    /// <summary>
    /// Replaces every score s by e^(s - max) and returns their sum. A score of minus infinity becomes exactly 0; a max of minus infinity,
    /// which is that of no scores or of masked ones only, makes all of them 0 and the sum 0. The sum is NaN where a score is.
    /// </summary>
    /// <param name="scores">Any length.</param>
    /// <param name="max">At least the largest score, so that nothing overflows.</param>
    public static float Exponentials(Span<float> scores, float max) =>
        Vector512.IsHardwareAccelerated ? Wide<FloatLanes512, Vector512<float>>(scores, max)
        : Vector256.IsHardwareAccelerated ? Wide<FloatLanes256, Vector256<float>>(scores, max)
        : Vector128.IsHardwareAccelerated ? Wide<FloatLanes128, Vector128<float>>(scores, max)
        : Wide<FloatLanes1, float>(scores, max);

    private static unsafe float Wide<TLanes, V>(Span<float> scores, float max)
        where TLanes : struct, IFloatLanes<V>
        where V : struct
    {
        if (float.IsNegativeInfinity(max))
        {
            // Minus infinity minus itself would be NaN. What is NaN, though, and was passed over in the search for the maximum, is not to become 0.
            if (float.IsNaN(VectorMath.MaxOrNaN(scores)))
            {
                scores.Fill(float.NaN);
                return float.NaN;
            }

            scores.Clear();
            return 0;
        }

        fixed (float* p = scores)
        {
            var shift = TLanes.Broadcast(max);
            var (even, odd) = (TLanes.Broadcast(0), TLanes.Broadcast(0));
            var n = TLanes.Count;
            var i = 0;
            for (; i <= scores.Length - 2 * n; i += 2 * n)
            {
                var x = Exponential.Of<TLanes, V>(TLanes.Subtract(TLanes.Load(p + i), shift));
                var y = Exponential.Of<TLanes, V>(TLanes.Subtract(TLanes.Load(p + i + n), shift));
                TLanes.Store(x, p + i);
                TLanes.Store(y, p + i + n);
                even = TLanes.Add(even, x);
                odd = TLanes.Add(odd, y);
            }

            var sum = TLanes.Sum(TLanes.Add(even, odd));
            for (; i < scores.Length; i++)
            {
                p[i] = Exponential.Of<FloatLanes1, float>(p[i] - max);
                sum += p[i];
            }

            return sum;
        }
    }
}
