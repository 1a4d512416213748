using System.Runtime.Intrinsics;

namespace Kvasir.Kernels.Elementwise;

public delegate void RopeFunc(Span<float> head, ReadOnlySpan<float> cos, ReadOnlySpan<float> sin, RopeOrder order);

/// <summary>Rotary position embedding of one head, given the angles of its position.</summary>
public static unsafe class Rope
{
    public static readonly Variant<RopeFunc>[] Variants =
    [
        new("scalar", true, Wide<FloatLanes1, float>),
        new("128", Vector128.IsHardwareAccelerated, Wide<FloatLanes128, Vector128<float>>),
        new("256", Vector256.IsHardwareAccelerated, Wide<FloatLanes256, Vector256<float>>),
        new("512", Vector512.IsHardwareAccelerated, Wide<FloatLanes512, Vector512<float>>),
    ];

    /// <summary>
    /// Rotates pair i of the first 2 * cos.Length elements by angle i; the rest of the head stays as it is. (a, b) becomes
    /// (a cos - b sin, a sin + b cos).
    /// </summary>
    /// <param name="head">At least 2 * cos.Length elements.</param>
    /// <param name="cos">One cosine a pair.</param>
    /// <param name="sin">As long as <paramref name="cos"/>.</param>
    /// <param name="order">Which elements are pair i.</param>
    public static void Rotate(Span<float> head, ReadOnlySpan<float> cos, ReadOnlySpan<float> sin, RopeOrder order)
    {
        if (Vector512.IsHardwareAccelerated)
            Wide<FloatLanes512, Vector512<float>>(head, cos, sin, order);
        else if (Vector256.IsHardwareAccelerated)
            Wide<FloatLanes256, Vector256<float>>(head, cos, sin, order);
        else if (Vector128.IsHardwareAccelerated)
            Wide<FloatLanes128, Vector128<float>>(head, cos, sin, order);
        else
            Wide<FloatLanes1, float>(head, cos, sin, order);
    }

    private static void Wide<TLanes, V>(Span<float> head, ReadOnlySpan<float> cos, ReadOnlySpan<float> sin, RopeOrder order)
        where TLanes : struct, IFloatLanes<V>
        where V : struct
    {
        Lengths.RequireEqual(sin.Length, cos.Length, nameof(sin));
        Lengths.RequireAtLeast(head.Length, 2L * cos.Length, nameof(head));
        fixed (float* x = head, pc = cos, ps = sin)
        {
            if (order == RopeOrder.Halves)
                RotateHalves<TLanes, V>(x, pc, ps, cos.Length);
            else
                RotatePairs(x, pc, ps, cos.Length, TLanes.Count);
        }
    }

    private static void RotateHalves<TLanes, V>(float* x, float* cos, float* sin, int pairs)
        where TLanes : struct, IFloatLanes<V>
        where V : struct
    {
        var y = x + pairs;
        var i = 0;
        for (; i <= pairs - TLanes.Count; i += TLanes.Count)
        {
            var (a, b) = (TLanes.Load(x + i), TLanes.Load(y + i));
            var (c, s) = (TLanes.Load(cos + i), TLanes.Load(sin + i));
            TLanes.Store(TLanes.Subtract(TLanes.Multiply(a, c), TLanes.Multiply(b, s)), x + i);
            TLanes.Store(TLanes.MultiplyAdd(a, s, TLanes.Multiply(b, c)), y + i);
        }

        for (; i < pairs; i++)
            (x[i], y[i]) = (x[i] * cos[i] - y[i] * sin[i], x[i] * sin[i] + y[i] * cos[i]);
    }

    // Four pairs at a time in one vector of 256 bits or two of 128, with the same operations and so the same bits; a head is a few hundred bytes, and
    // more would need shuffles across more of a vector.
    private static void RotatePairs(float* x, float* cos, float* sin, int pairs, int lanes)
    {
        var i = 0;
        for (; lanes >= 8 && i <= pairs - 4; i += 4)
            Rotated(Vector256.Load(x + 2 * i), Twice(Vector128.Load(cos + i)), Twice(Vector128.Load(sin + i))).Store(x + 2 * i);

        for (; lanes >= 4 && i <= pairs - 4; i += 4)
        {
            var (low, high) = (Vector128.Load(x + 2 * i), Vector128.Load(x + 2 * i + 4));
            var (c, s) = (Vector128.Load(cos + i), Vector128.Load(sin + i));
            Rotated(low, Vector128.Shuffle(c, Vector128.Create(0, 0, 1, 1)), Vector128.Shuffle(s, Vector128.Create(0, 0, 1, 1))).Store(x + 2 * i);
            Rotated(high, Vector128.Shuffle(c, Vector128.Create(2, 2, 3, 3)), Vector128.Shuffle(s, Vector128.Create(2, 2, 3, 3))).Store(x + 2 * i + 4);
        }

        for (; i < pairs; i++)
            (x[2 * i], x[2 * i + 1]) = (x[2 * i] * cos[i] - x[2 * i + 1] * sin[i], x[2 * i] * sin[i] + x[2 * i + 1] * cos[i]);
    }

    /// <summary>(c, c', ...) as (c, c, c', c', ...).</summary>
    private static Vector256<float> Twice(Vector128<float> angles) =>
        Vector256.Shuffle(angles.ToVector256Unsafe(), Vector256.Create(0, 0, 1, 1, 2, 2, 3, 3));

    /// <summary>(a, b, a', b') turned by angles given twice each.</summary>
    private static Vector128<float> Rotated(Vector128<float> x, Vector128<float> cos, Vector128<float> sin)
    {
        var swapped = Vector128.Shuffle(x, Vector128.Create(1, 0, 3, 2)) * Vector128.Create(-1f, 1f, -1f, 1f);
        return x * cos + swapped * sin;
    }

    private static Vector256<float> Rotated(Vector256<float> x, Vector256<float> cos, Vector256<float> sin)
    {
        var swapped = Vector256.Shuffle(x, Vector256.Create(1, 0, 3, 2, 5, 4, 7, 6)) * Vector256.Create(-1f, 1f, -1f, 1f, -1f, 1f, -1f, 1f);
        return x * cos + swapped * sin;
    }
}
