using System.Runtime.Intrinsics;
using Kvasir.Kernels.Elementwise;

namespace Kvasir.Kernels.Sampling;

public delegate void SignedRootsFunc(float left, ReadOnlySpan<float> shares, ReadOnlySpan<float> signs, Span<float> roots);

public delegate DrawnMoments ScatterFunc(ReadOnlySpan<float> weights, ReadOnlySpan<float> shares, ReadOnlySpan<float> roots, Span<float> products);

/// <summary>Weights of rows that were drawn by chance, from which the variance of sums over all rows is estimated (Horvitz and Thompson).</summary>
public static class DrawnWeights
{
    public static readonly Variant<SignedRootsFunc>[] RootVariants =
        [new("scalar", true, RootsScalar), new(PortableVector.Name, PortableVector.IsSupported, RootsWide)];

    public static readonly Variant<ScatterFunc>[] ScatterVariants =
        [new("scalar", true, ScatterScalar), new(PortableVector.Name, PortableVector.IsSupported, ScatterWide)];

    /// <summary>roots[i] = signs[i] times the root of <paramref name="left"/> - shares[i], or of 0 where that is negative.</summary>
    /// <param name="shares">As many as <paramref name="roots"/>.</param>
    /// <param name="signs">As many, each 1 or -1.</param>
    public static void SignedRoots(float left, ReadOnlySpan<float> shares, ReadOnlySpan<float> signs, Span<float> roots)
    {
        if (PortableVector.IsSupported)
            RootsWide(left, shares, signs, roots);
        else
            RootsScalar(left, shares, signs, roots);
    }

    /// <summary>products[i] = weights[i] * roots[i], and their moments.</summary>
    /// <param name="weights">[rows]</param>
    /// <param name="shares">[rows]</param>
    /// <param name="roots">[rows]</param>
    /// <param name="products">[rows]</param>
    public static DrawnMoments Scatter(ReadOnlySpan<float> weights, ReadOnlySpan<float> shares, ReadOnlySpan<float> roots, Span<float> products) =>
        PortableVector.IsSupported ? ScatterWide(weights, shares, roots, products) : ScatterScalar(weights, shares, roots, products);

    private static void RootsScalar(float left, ReadOnlySpan<float> shares, ReadOnlySpan<float> signs, Span<float> roots)
    {
        RequireAsMany(shares, signs, roots.Length);
        for (var i = 0; i < roots.Length; i++)
            roots[i] = MathF.Sqrt(MathF.Max(0, left - shares[i])) * signs[i];
    }

    private static void RootsWide(float left, ReadOnlySpan<float> shares, ReadOnlySpan<float> signs, Span<float> roots)
    {
        RequireAsMany(shares, signs, roots.Length);
        var i = 0;
        for (; i <= roots.Length - Vector512<float>.Count; i += Vector512<float>.Count)
        {
            var rest = Vector512.Max(Vector512<float>.Zero, Vector512.Create(left) - Vector512.Create(shares[i..]));
            (Vector512.Sqrt(rest) * Vector512.Create(signs[i..])).CopyTo(roots[i..]);
        }

        RootsScalar(left, shares[i..], signs[i..], roots[i..]);
    }

    private static DrawnMoments ScatterScalar(ReadOnlySpan<float> weights, ReadOnlySpan<float> shares, ReadOnlySpan<float> roots, Span<float> products)
    {
        RequireAsMany(shares, roots, weights.Length);
        Lengths.RequireEqual(products.Length, weights.Length, nameof(products));
        var (variance, fourths, drawn) = (0.0, 0.0, 0.0);
        for (var i = 0; i < weights.Length; i++)
        {
            products[i] = weights[i] * roots[i];
            var square = (double)products[i] * products[i];
            (variance, fourths, drawn) = (variance + square, fourths + (square * square), drawn + ((double)weights[i] * weights[i] * (1 - shares[i])));
        }

        return new DrawnMoments(variance, fourths, drawn);
    }

    private static DrawnMoments ScatterWide(ReadOnlySpan<float> weights, ReadOnlySpan<float> shares, ReadOnlySpan<float> roots, Span<float> products)
    {
        RequireAsMany(shares, roots, weights.Length);
        Lengths.RequireEqual(products.Length, weights.Length, nameof(products));
        var (variances, fourths, draws) = (Vector512<double>.Zero, Vector512<double>.Zero, Vector512<double>.Zero);
        var i = 0;
        for (; i <= weights.Length - Vector512<float>.Count; i += Vector512<float>.Count)
        {
            var x = Vector512.Create(weights[i..]);
            var y = x * Vector512.Create(roots[i..]);
            y.CopyTo(products[i..]);
            var (lower, upper) = Vector512.Widen(y);
            (lower, upper) = (lower * lower, upper * upper);
            variances += lower + upper;
            fourths += (lower * lower) + (upper * upper);
            (lower, upper) = Vector512.Widen(x);
            var (lowerRest, upperRest) = Vector512.Widen(Vector512<float>.One - Vector512.Create(shares[i..]));
            draws += (lower * lower * lowerRest) + (upper * upper * upperRest);
        }

        var rest = ScatterScalar(weights[i..], shares[i..], roots[i..], products[i..]);
        return new DrawnMoments(Vector512.Sum(variances) + rest.Variance, Vector512.Sum(fourths) + rest.Fourths, Vector512.Sum(draws) + rest.Drawn);
    }

    private static void RequireAsMany(ReadOnlySpan<float> shares, ReadOnlySpan<float> others, int count)
    {
        Lengths.RequireEqual(shares.Length, count, nameof(shares));
        Lengths.RequireEqual(others.Length, count, nameof(others));
    }
}

/// <summary>Sums over the rows that were drawn by chance, in double precision.</summary>
/// <param name="Variance">The sum of squares of signed weights: the variance of the estimate that other chances would give.</param>
/// <param name="Fourths">The sum of their fourth powers.</param>
/// <param name="Drawn">The sum of w^2 (1 - share): the variance of the estimate from the rows as they were drawn.</param>
public readonly record struct DrawnMoments(double Variance, double Fourths, double Drawn);
