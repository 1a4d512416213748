using Kvasir.Ground;

namespace Kvasir.Attention;

/// <summary>Which numbers of many are the largest, without sorting them.</summary>
internal static class LargestNumbers
{
    private const uint Sign = 1u << 31;

    /// <summary>The <paramref name="count"/>-th largest. NaN counts as the smallest.</summary>
    /// <param name="count">1 to the number of values.</param>
    public static float Largest(ReadOnlySpan<float> values, int count)
    {
        Invariant.Holds(count >= 1 && count <= values.Length);
        var search = new LargestSearch(count, stackalloc int[LargestSearch.CountsLength]);
        while (search.Begin())
            search.Add(values);
        return search.Found;
    }

    /// <summary>A number that is larger for larger values; 0 for NaN.</summary>
    public static uint Rank(float value)
    {
        // Of both zeros the positive one.
        var bits = BitConverter.SingleToUInt32Bits(value + 0f);
        return float.IsNaN(value) ? 0 : (bits & Sign) != 0 ? ~bits : bits | Sign;
    }

    /// <summary>The value of which <see cref="Rank"/> is this; negative infinity for 0.</summary>
    public static float Value(uint rank) => rank == 0 ? float.NegativeInfinity : BitConverter.UInt32BitsToSingle((rank & Sign) != 0 ? rank ^ Sign : ~rank);

    /// <summary>The score of the last of the largest values whose exponentials make up <paramref name="share"/> of all.</summary>
    /// <param name="values">Put in ascending order.</param>
    public static float Covering(Span<float> values, float share)
    {
        values.Sort();
        var (all, top) = (0.0, values[^1]);
        foreach (var value in values)
            all += Math.Exp(value - top);
        var sum = 0.0;
        for (var i = values.Length - 1; i > 0; i--)
        {
            sum += Math.Exp(values[i] - top);
            if (sum >= share * all)
                return values[i];
        }

        return values[0];
    }
}
