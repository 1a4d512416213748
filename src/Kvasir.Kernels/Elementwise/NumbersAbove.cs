using System.Numerics;
using System.Runtime.Intrinsics;

namespace Kvasir.Kernels.Elementwise;

public delegate int AboveFunc(ReadOnlySpan<float> values, float limit, int first, Span<int> places, Span<float> found);

/// <summary>Which numbers of many are above a limit: most are not, and are passed over a vector at a time.</summary>
public static class NumbersAbove
{
    public static readonly Variant<AboveFunc>[] Variants =
    [
        new("scalar", true, Wide<FloatLanes1, float>),
        new("128", Vector128.IsHardwareAccelerated, Wide<FloatLanes128, Vector128<float>>),
        new("256", Vector256.IsHardwareAccelerated, Wide<FloatLanes256, Vector256<float>>),
        new("512", Vector512.IsHardwareAccelerated, Wide<FloatLanes512, Vector512<float>>),
    ];

    /// <summary>Lists them in their order and returns how many there are. A NaN is above nothing.</summary>
    /// <param name="values">Any length.</param>
    /// <param name="limit">What is equal to it is not above it.</param>
    /// <param name="first">The place of the first value.</param>
    /// <param name="places">Where they stand: room for values.Length.</param>
    /// <param name="found">What they are: room for values.Length.</param>
    public static int Find(ReadOnlySpan<float> values, float limit, int first, Span<int> places, Span<float> found) =>
        Vector512.IsHardwareAccelerated ? Wide<FloatLanes512, Vector512<float>>(values, limit, first, places, found)
        : Vector256.IsHardwareAccelerated ? Wide<FloatLanes256, Vector256<float>>(values, limit, first, places, found)
        : Vector128.IsHardwareAccelerated ? Wide<FloatLanes128, Vector128<float>>(values, limit, first, places, found)
        : Wide<FloatLanes1, float>(values, limit, first, places, found);

    private static unsafe int Wide<TLanes, V>(ReadOnlySpan<float> values, float limit, int first, Span<int> places, Span<float> found)
        where TLanes : struct, IFloatLanes<V>
        where V : struct
    {
        Lengths.RequireAtLeast(places.Length, values.Length, nameof(places));
        Lengths.RequireAtLeast(found.Length, values.Length, nameof(found));
        fixed (float* x = values, f = found)
        {
            fixed (int* p = places)
            {
                var (i, count) = (0, 0);
                var l = TLanes.Broadcast(limit);
                for (; i <= values.Length - TLanes.Count; i += TLanes.Count)
                {
                    for (var bits = TLanes.WhereAbove(TLanes.Load(x + i), l); bits != 0; bits &= bits - 1, count++)
                    {
                        var lane = i + BitOperations.TrailingZeroCount(bits);
                        (p[count], f[count]) = (first + lane, x[lane]);
                    }
                }

                for (; i < values.Length; i++)
                {
                    if (x[i] > limit)
                        (p[count], f[count++]) = (first + i, x[i]);
                }

                return count;
            }
        }
    }
}
