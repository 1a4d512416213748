using Kvasir.Files;
using Kvasir.Models.Configs;

namespace Kvasir.Forward;

/// <summary>
/// The rotations of a batch: cosines and sines of every row's position, computed in double precision once a step and shared by all
/// layers and heads. A table of all positions would cost 64 MiB at 128k tokens.
/// </summary>
internal sealed class RopeTable
{
    private readonly double[] _frequencies;
    private readonly double[] _longFrequencies;
    private readonly float _magnitude;
    private readonly float[] _cos;
    private readonly float[] _sin;

    public RopeTable(RopeConfig config, int maxRows)
    {
        _frequencies = InverseFrequencies(config, config.FrequencyFactors);
        _longFrequencies = config.LongFrequencyFactors is { } factors ? InverseFrequencies(config, factors) : _frequencies;
        _magnitude = (float)config.AttentionFactor;
        _cos = new float[maxRows * _frequencies.Length];
        _sin = new float[maxRows * _frequencies.Length];
    }

    /// <summary>[dim / 2] for row <paramref name="row"/> of the last <see cref="Fill"/>.</summary>
    public ReadOnlySpan<float> Cos(int row) => _cos.AsSpan(row * _frequencies.Length, _frequencies.Length);

    /// <summary>[dim / 2] for row <paramref name="row"/> of the last <see cref="Fill"/>.</summary>
    public ReadOnlySpan<float> Sin(int row) => _sin.AsSpan(row * _frequencies.Length, _frequencies.Length);

    /// <summary>Fills rows in their order, from <paramref name="firstRow"/> on.</summary>
    /// <param name="positions">[rows]</param>
    /// <param name="isLong">As <see cref="RopeConfig.IsLong"/> says of the sequence.</param>
    public void Fill(int firstRow, ReadOnlySpan<int> positions, bool isLong)
    {
        var frequencies = isLong ? _longFrequencies : _frequencies;
        var at = firstRow * frequencies.Length;
        foreach (var position in positions)
        {
            foreach (var frequency in frequencies)
            {
                var (sin, cos) = Math.SinCos(position * frequency);
                (_cos[at], _sin[at++]) = ((float)cos * _magnitude, (float)sin * _magnitude);
            }
        }
    }

    /// <summary>Radians per position of each pair, after scaling: [dim / 2].</summary>
    /// <param name="factors">What each is divided by first; null for 1.</param>
    internal static double[] InverseFrequencies(RopeConfig config, float[]? factors)
    {
        var frequencies = new double[config.Dim / 2];
        for (var i = 0; i < frequencies.Length; i++)
        {
            var frequency = Math.Pow(config.Base, -2.0 * i / config.Dim);
            if (factors is not null)
                frequency /= factors[i];
            frequencies[i] = config.Scaling switch
            {
                RopeScaling.Linear => frequency / config.Factor,
                RopeScaling.Llama3 => Llama3(frequency, config),
                RopeScaling.Yarn => Yarn(frequency, i, config),
                _ => frequency,
            };
        }

        return frequencies;
    }

    // Llama 3.1: long wavelengths are stretched, short ones kept, those between blended.
    private static double Llama3(double frequency, RopeConfig config)
    {
        var turns = config.OriginalContextTokens * frequency / (2 * Math.PI);
        if (turns >= config.HighFreqFactor)
            return frequency;
        if (turns <= config.LowFreqFactor)
            return frequency / config.Factor;
        var smooth = (turns - config.LowFreqFactor) / (config.HighFreqFactor - config.LowFreqFactor);
        return ((1 - smooth) * frequency / config.Factor) + (smooth * frequency);
    }

    // YaRN (arXiv 2309.00071, section 3.2): a ramp over the pairs between those that turn BetaFast and BetaSlow times in the
    // original context.
    private static double Yarn(double frequency, int pair, RopeConfig config)
    {
        var (low, high) = (PairOf(config.BetaFast, config), PairOf(config.BetaSlow, config));
        if (config.HasWholeRamp)
            (low, high) = (Math.Floor(low), Math.Ceiling(high));
        (low, high) = (Math.Max(0, low), Math.Min(config.Dim - 1, high));
        var stretched = Math.Clamp((pair - low) / Math.Max(0.001, high - low), 0, 1);
        return (frequency / config.Factor * stretched) + (frequency * (1 - stretched));
    }

    private static double PairOf(double turns, RopeConfig config) =>
        config.Dim * Math.Log(config.OriginalContextTokens / (turns * 2 * Math.PI)) / (2 * Math.Log(config.Base));
}
