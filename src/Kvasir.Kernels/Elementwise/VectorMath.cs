using System.Runtime.Intrinsics;

namespace Kvasir.Kernels.Elementwise;

public delegate void AddFunc(ReadOnlySpan<float> x, Span<float> y);

public delegate void AddScaledFunc(float factor, ReadOnlySpan<float> x, Span<float> y);

public delegate void ScaleFunc(Span<float> x, float factor);

public delegate float ReduceFunc(ReadOnlySpan<float> x);

public delegate float DotFunc(ReadOnlySpan<float> x, ReadOnlySpan<float> y);

/// <summary>Plain vector arithmetic in f32. Every length works, 0 included; two spans must be equally long.</summary>
public static class VectorMath
{
    public static readonly Variant<AddFunc>[] AddVariants =
    [
        new("scalar", true, VectorLoops<FloatLanes1, float>.Add),
        new("128", Vector128.IsHardwareAccelerated, VectorLoops<FloatLanes128, Vector128<float>>.Add),
        new("256", Vector256.IsHardwareAccelerated, VectorLoops<FloatLanes256, Vector256<float>>.Add),
        new("512", Vector512.IsHardwareAccelerated, VectorLoops<FloatLanes512, Vector512<float>>.Add),
    ];

    public static readonly Variant<AddFunc>[] MultiplyVariants =
    [
        new("scalar", true, VectorLoops<FloatLanes1, float>.Multiply),
        new("128", Vector128.IsHardwareAccelerated, VectorLoops<FloatLanes128, Vector128<float>>.Multiply),
        new("256", Vector256.IsHardwareAccelerated, VectorLoops<FloatLanes256, Vector256<float>>.Multiply),
        new("512", Vector512.IsHardwareAccelerated, VectorLoops<FloatLanes512, Vector512<float>>.Multiply),
    ];

    public static readonly Variant<AddScaledFunc>[] AddScaledVariants =
    [
        new("scalar", true, VectorLoops<FloatLanes1, float>.AddScaled),
        new("128", Vector128.IsHardwareAccelerated, VectorLoops<FloatLanes128, Vector128<float>>.AddScaled),
        new("256", Vector256.IsHardwareAccelerated, VectorLoops<FloatLanes256, Vector256<float>>.AddScaled),
        new("512", Vector512.IsHardwareAccelerated, VectorLoops<FloatLanes512, Vector512<float>>.AddScaled),
    ];

    public static readonly Variant<ScaleFunc>[] ScaleVariants =
    [
        new("scalar", true, VectorLoops<FloatLanes1, float>.Scale),
        new("128", Vector128.IsHardwareAccelerated, VectorLoops<FloatLanes128, Vector128<float>>.Scale),
        new("256", Vector256.IsHardwareAccelerated, VectorLoops<FloatLanes256, Vector256<float>>.Scale),
        new("512", Vector512.IsHardwareAccelerated, VectorLoops<FloatLanes512, Vector512<float>>.Scale),
    ];

    public static readonly Variant<ReduceFunc>[] MaxVariants =
    [
        new("scalar", true, VectorLoops<FloatLanes1, float>.Max),
        new("128", Vector128.IsHardwareAccelerated, VectorLoops<FloatLanes128, Vector128<float>>.Max),
        new("256", Vector256.IsHardwareAccelerated, VectorLoops<FloatLanes256, Vector256<float>>.Max),
        new("512", Vector512.IsHardwareAccelerated, VectorLoops<FloatLanes512, Vector512<float>>.Max),
    ];

    public static readonly Variant<ReduceFunc>[] MaxOrNaNVariants =
    [
        new("scalar", true, VectorLoops<FloatLanes1, float>.MaxOrNaN),
        new("128", Vector128.IsHardwareAccelerated, VectorLoops<FloatLanes128, Vector128<float>>.MaxOrNaN),
        new("256", Vector256.IsHardwareAccelerated, VectorLoops<FloatLanes256, Vector256<float>>.MaxOrNaN),
        new("512", Vector512.IsHardwareAccelerated, VectorLoops<FloatLanes512, Vector512<float>>.MaxOrNaN),
    ];

    public static readonly Variant<ReduceFunc>[] SumVariants =
    [
        new("scalar", true, VectorLoops<FloatLanes1, float>.Sum),
        new("128", Vector128.IsHardwareAccelerated, VectorLoops<FloatLanes128, Vector128<float>>.Sum),
        new("256", Vector256.IsHardwareAccelerated, VectorLoops<FloatLanes256, Vector256<float>>.Sum),
        new("512", Vector512.IsHardwareAccelerated, VectorLoops<FloatLanes512, Vector512<float>>.Sum),
    ];

    public static readonly Variant<AddFunc>[] RaiseVariants =
    [
        new("scalar", true, VectorLoops<FloatLanes1, float>.Raise),
        new("128", Vector128.IsHardwareAccelerated, VectorLoops<FloatLanes128, Vector128<float>>.Raise),
        new("256", Vector256.IsHardwareAccelerated, VectorLoops<FloatLanes256, Vector256<float>>.Raise),
        new("512", Vector512.IsHardwareAccelerated, VectorLoops<FloatLanes512, Vector512<float>>.Raise),
    ];

    public static readonly Variant<DotFunc>[] DotVariants =
    [
        new("scalar", true, VectorLoops<FloatLanes1, float>.Dot),
        new("128", Vector128.IsHardwareAccelerated, VectorLoops<FloatLanes128, Vector128<float>>.Dot),
        new("256", Vector256.IsHardwareAccelerated, VectorLoops<FloatLanes256, Vector256<float>>.Dot),
        new("512", Vector512.IsHardwareAccelerated, VectorLoops<FloatLanes512, Vector512<float>>.Dot),
    ];

    /// <summary>y += x.</summary>
    public static void Add(ReadOnlySpan<float> x, Span<float> y)
    {
        if (Vector512.IsHardwareAccelerated)
            VectorLoops<FloatLanes512, Vector512<float>>.Add(x, y);
        else if (Vector256.IsHardwareAccelerated)
            VectorLoops<FloatLanes256, Vector256<float>>.Add(x, y);
        else if (Vector128.IsHardwareAccelerated)
            VectorLoops<FloatLanes128, Vector128<float>>.Add(x, y);
        else
            VectorLoops<FloatLanes1, float>.Add(x, y);
    }

    /// <summary>y *= x, element by element.</summary>
    public static void Multiply(ReadOnlySpan<float> x, Span<float> y)
    {
        if (Vector512.IsHardwareAccelerated)
            VectorLoops<FloatLanes512, Vector512<float>>.Multiply(x, y);
        else if (Vector256.IsHardwareAccelerated)
            VectorLoops<FloatLanes256, Vector256<float>>.Multiply(x, y);
        else if (Vector128.IsHardwareAccelerated)
            VectorLoops<FloatLanes128, Vector128<float>>.Multiply(x, y);
        else
            VectorLoops<FloatLanes1, float>.Multiply(x, y);
    }

    /// <summary>y = the larger of x and y, element by element. Where one is NaN the result is one of them, unspecified which.</summary>
    public static void Raise(ReadOnlySpan<float> x, Span<float> y)
    {
        if (Vector512.IsHardwareAccelerated)
            VectorLoops<FloatLanes512, Vector512<float>>.Raise(x, y);
        else if (Vector256.IsHardwareAccelerated)
            VectorLoops<FloatLanes256, Vector256<float>>.Raise(x, y);
        else if (Vector128.IsHardwareAccelerated)
            VectorLoops<FloatLanes128, Vector128<float>>.Raise(x, y);
        else
            VectorLoops<FloatLanes1, float>.Raise(x, y);
    }

    /// <summary>y += factor * x.</summary>
    public static void AddScaled(float factor, ReadOnlySpan<float> x, Span<float> y)
    {
        if (Vector512.IsHardwareAccelerated)
            VectorLoops<FloatLanes512, Vector512<float>>.AddScaled(factor, x, y);
        else if (Vector256.IsHardwareAccelerated)
            VectorLoops<FloatLanes256, Vector256<float>>.AddScaled(factor, x, y);
        else if (Vector128.IsHardwareAccelerated)
            VectorLoops<FloatLanes128, Vector128<float>>.AddScaled(factor, x, y);
        else
            VectorLoops<FloatLanes1, float>.AddScaled(factor, x, y);
    }

    /// <summary>x *= factor.</summary>
    public static void Scale(Span<float> x, float factor)
    {
        if (Vector512.IsHardwareAccelerated)
            VectorLoops<FloatLanes512, Vector512<float>>.Scale(x, factor);
        else if (Vector256.IsHardwareAccelerated)
            VectorLoops<FloatLanes256, Vector256<float>>.Scale(x, factor);
        else if (Vector128.IsHardwareAccelerated)
            VectorLoops<FloatLanes128, Vector128<float>>.Scale(x, factor);
        else
            VectorLoops<FloatLanes1, float>.Scale(x, factor);
    }

    /// <summary>The largest element, minus infinity for none. With a NaN among them the result is one of them, unspecified which.</summary>
    public static float Max(ReadOnlySpan<float> x) =>
        Vector512.IsHardwareAccelerated ? VectorLoops<FloatLanes512, Vector512<float>>.Max(x)
        : Vector256.IsHardwareAccelerated ? VectorLoops<FloatLanes256, Vector256<float>>.Max(x)
        : Vector128.IsHardwareAccelerated ? VectorLoops<FloatLanes128, Vector128<float>>.Max(x)
        : VectorLoops<FloatLanes1, float>.Max(x);

    /// <summary>The largest element, minus infinity for none, NaN where there is one: as fast as <see cref="Max"/> where all elements are finite.</summary>
    public static float MaxOrNaN(ReadOnlySpan<float> x) =>
        Vector512.IsHardwareAccelerated ? VectorLoops<FloatLanes512, Vector512<float>>.MaxOrNaN(x)
        : Vector256.IsHardwareAccelerated ? VectorLoops<FloatLanes256, Vector256<float>>.MaxOrNaN(x)
        : Vector128.IsHardwareAccelerated ? VectorLoops<FloatLanes128, Vector128<float>>.MaxOrNaN(x)
        : VectorLoops<FloatLanes1, float>.MaxOrNaN(x);

    /// <summary>The sum of the elements, accumulated in f32.</summary>
    public static float Sum(ReadOnlySpan<float> x) =>
        Vector512.IsHardwareAccelerated ? VectorLoops<FloatLanes512, Vector512<float>>.Sum(x)
        : Vector256.IsHardwareAccelerated ? VectorLoops<FloatLanes256, Vector256<float>>.Sum(x)
        : Vector128.IsHardwareAccelerated ? VectorLoops<FloatLanes128, Vector128<float>>.Sum(x)
        : VectorLoops<FloatLanes1, float>.Sum(x);

    /// <summary>sum of x[i] * y[i], accumulated in f32.</summary>
    public static float Dot(ReadOnlySpan<float> x, ReadOnlySpan<float> y) =>
        Vector512.IsHardwareAccelerated ? VectorLoops<FloatLanes512, Vector512<float>>.Dot(x, y)
        : Vector256.IsHardwareAccelerated ? VectorLoops<FloatLanes256, Vector256<float>>.Dot(x, y)
        : Vector128.IsHardwareAccelerated ? VectorLoops<FloatLanes128, Vector128<float>>.Dot(x, y)
        : VectorLoops<FloatLanes1, float>.Dot(x, y);
}
