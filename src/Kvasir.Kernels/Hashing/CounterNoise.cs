namespace Kvasir.Kernels.Hashing;

/// <summary>Random numbers by their place in a stream, without a state: SplitMix64's finaliser over seed and counter.</summary>
public static class CounterNoise
{
    private const ulong Golden = 0x9E37_79B9_7F4A_7C15;

    /// <summary>A seed of its own for each part of something.</summary>
    public static ulong Seed(ulong seed, int first, int second) => Word(Word(seed, (ulong)first), (ulong)second);

    /// <summary>64 random bits.</summary>
    public static ulong Word(ulong seed, ulong counter)
    {
        var z = seed + Golden * (counter + 1);
        z = (z ^ (z >> 30)) * 0xBF58_476D_1CE4_E5B9;
        z = (z ^ (z >> 27)) * 0x94D0_49BB_1331_11EB;
        return z ^ (z >> 31);
    }

    /// <summary>In [0, 1), with 53 random bits.</summary>
    public static double Uniform(ulong seed, ulong counter) => (Word(seed, counter) >> 11) * (1.0 / (1L << 53));

    /// <summary>Of the standard normal distribution, by Box and Muller.</summary>
    public static float Normal(ulong seed, ulong counter) =>
        (float)(Math.Sqrt(-2 * Math.Log(1 - Uniform(seed, 2 * counter))) * Math.Cos(Math.Tau * Uniform(seed, 2 * counter + 1)));
}
