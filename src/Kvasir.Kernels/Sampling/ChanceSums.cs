using System.Runtime.Intrinsics;
using System.Runtime.InteropServices;

namespace Kvasir.Kernels.Sampling;

public delegate (int Sure, float Sum) ChanceSumsFunc(ReadOnlySpan<float> chances, float limit);

/// <summary>Sums over chances of rows, some of which are cut at a limit.</summary>
public static class ChanceSums
{
    public static readonly Variant<ChanceSumsFunc>[] Variants =
        [new("scalar", true, SumScalar), new(PortableVector.Name, PortableVector.IsSupported, SumWide)];

    /// <summary>How many chances are not below a limit, and the sum of the others. A NaN is not below it.</summary>
    /// <param name="chances">Any length.</param>
    public static (int Sure, float Sum) Below(ReadOnlySpan<float> chances, float limit) =>
        PortableVector.IsSupported ? SumWide(chances, limit) : SumScalar(chances, limit);

    private static (int Sure, float Sum) SumScalar(ReadOnlySpan<float> chances, float limit)
    {
        var (sure, sum) = (0, 0f);
        foreach (var chance in chances)
        {
            if (chance < limit)
                sum += chance;
            else
                sure++;
        }

        return (sure, sum);
    }

    private static (int Sure, float Sum) SumWide(ReadOnlySpan<float> chances, float limit)
    {
        var (counts, sums, limits) = (Vector512<int>.Zero, Vector512<float>.Zero, Vector512.Create(limit));
        var whole = chances.Length / Vector512<float>.Count * Vector512<float>.Count;
        foreach (var own in MemoryMarshal.Cast<float, Vector512<float>>(chances[..whole]))
        {
            var below = Vector512.LessThan(own, limits);
            sums += own & below;
            counts += below.AsInt32();
        }

        var (sure, sum) = (whole + Vector512.Sum(counts), Vector512.Sum(sums));
        foreach (var chance in chances[whole..])
            (sure, sum) = chance < limit ? (sure, sum + chance) : (sure + 1, sum);
        return (sure, sum);
    }
}
