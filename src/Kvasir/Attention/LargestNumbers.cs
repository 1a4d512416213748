using Kvasir.Ground;

namespace Kvasir.Attention;

/// <summary>Which numbers of many are the largest, without sorting them.</summary>
internal static class LargestNumbers
{
    private const int DigitBits = 11;
    private const uint Sign = 1u << 31;

    /// <summary>The <paramref name="count"/>-th largest. NaN counts as the smallest.</summary>
    /// <param name="count">1 to the number of values.</param>
    public static float Largest(ReadOnlySpan<float> values, int count)
    {
        Invariant.Holds(count >= 1 && count <= values.Length);
        // Digit by digit, the highest first: how many have each value of the digit, of those that share the digits before.
        Span<int> counts = stackalloc int[1 << DigitBits];
        var (prefix, known) = (0u, 0);
        while (known < 32)
        {
            var (bits, shift) = (Math.Min(DigitBits, 32 - known), Math.Max(0, 32 - known - DigitBits));
            counts.Clear();
            foreach (var value in values)
            {
                var rank = Rank(value);
                if (known == 0 || rank >> (32 - known) == prefix)
                    counts[(int)(rank >> shift & ((1u << bits) - 1))]++;
            }

            var digit = (1 << bits) - 1;
            for (; count > counts[digit]; digit--)
                count -= counts[digit];
            (prefix, known) = (prefix << bits | (uint)digit, known + bits);
        }

        return prefix == 0 ? float.NegativeInfinity : BitConverter.UInt32BitsToSingle((prefix & Sign) != 0 ? prefix ^ Sign : ~prefix);
    }

    /// <summary>A number that is larger for larger values; 0 for NaN.</summary>
    public static uint Rank(float value)
    {
        // Of both zeros the positive one.
        var bits = BitConverter.SingleToUInt32Bits(value + 0f);
        return float.IsNaN(value) ? 0 : (bits & Sign) != 0 ? ~bits : bits | Sign;
    }

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
