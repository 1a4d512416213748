using System.Runtime.Intrinsics;
using Kvasir.Kernels.Elementwise;

namespace Kvasir.Kernels.Sampling;

public delegate void KeyLevelsFunc(ScaledValues values, ReadOnlySpan<float> limits, Span<int> levels);

public delegate void KeySignsFunc(ScaledValues values, Span<byte> numbers);

/// <summary>Rounds elements of a key to the levels of a quantiser.</summary>
public static class KeyLevels
{
    /// <summary>Elements come in multiples of this.</summary>
    public const int Width = 16;

    /// <summary>Signs in a number.</summary>
    public const int SignsPerNumber = 4;

    public static readonly Variant<KeyLevelsFunc>[] LevelVariants =
        [new("scalar", true, LevelsScalar), new(PortableVector.Name, PortableVector.IsSupported, LevelsWide)];

    public static readonly Variant<KeySignsFunc>[] SignVariants =
        [new("scalar", true, SignsScalar), new(PortableVector.Name, PortableVector.IsSupported, SignsWide)];

    /// <summary>levels[i] = how many limits value i is above. A NaN is above none.</summary>
    /// <param name="levels">As many as values.</param>
    public static void Of(ScaledValues values, ReadOnlySpan<float> limits, Span<int> levels)
    {
        if (PortableVector.IsSupported)
            LevelsWide(values, limits, levels);
        else
            LevelsScalar(values, limits, levels);
    }

    /// <summary>Bit b of numbers[i] says whether value 4 i + b is above 0. A NaN is not.</summary>
    /// <param name="numbers">A quarter as many as values.</param>
    public static void Signs(ScaledValues values, Span<byte> numbers)
    {
        if (PortableVector.IsSupported)
            SignsWide(values, numbers);
        else
            SignsScalar(values, numbers);
    }

    private static void LevelsScalar(ScaledValues values, ReadOnlySpan<float> limits, Span<int> levels)
    {
        Lengths.RequireEqual(levels.Length, values.Length, nameof(levels));
        for (var i = 0; i < levels.Length; i++)
        {
            var (value, level) = (values[i], 0);
            foreach (var limit in limits)
                level += value > limit ? 1 : 0;
            levels[i] = level;
        }
    }

    private static void LevelsWide(ScaledValues values, ReadOnlySpan<float> limits, Span<int> levels)
    {
        Lengths.RequireEqual(levels.Length, values.Length, nameof(levels));
        for (var i = 0; i < levels.Length; i += Width)
        {
            var (own, count) = (values.Wide(i), Vector512<int>.Zero);
            foreach (var limit in limits)
                count -= Vector512.GreaterThan(own, Vector512.Create(limit)).AsInt32();
            count.CopyTo(levels[i..]);
        }
    }

    private static void SignsScalar(ScaledValues values, Span<byte> numbers)
    {
        Lengths.RequireEqual(numbers.Length * SignsPerNumber, values.Length, nameof(numbers));
        numbers.Clear();
        for (var i = 0; i < values.Length; i++)
            numbers[i / SignsPerNumber] |= (byte)(values[i] > 0 ? 1 << (i % SignsPerNumber) : 0);
    }

    private static void SignsWide(ScaledValues values, Span<byte> numbers)
    {
        Lengths.RequireEqual(numbers.Length * SignsPerNumber, values.Length, nameof(numbers));
        for (var i = 0; i < values.Length; i += Width)
        {
            var signs = (uint)Vector512.GreaterThan(values.Wide(i), Vector512<float>.Zero).ExtractMostSignificantBits();
            for (var number = 0; number < Width / SignsPerNumber; number++, signs >>= SignsPerNumber)
                numbers[(i / SignsPerNumber) + number] = (byte)(signs & ((1 << SignsPerNumber) - 1));
        }
    }
}

/// <summary>Elements of a key, each less its centre and times its scale.</summary>
public readonly ref struct ScaledValues
{
    /// <param name="values">A multiple of <see cref="KeyLevels.Width"/>.</param>
    /// <param name="centres">As many.</param>
    /// <param name="scales">As many.</param>
    public ScaledValues(ReadOnlySpan<float> values, ReadOnlySpan<float> centres, ReadOnlySpan<float> scales)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(values.Length % KeyLevels.Width, 0, nameof(values));
        Lengths.RequireEqual(centres.Length, values.Length, nameof(centres));
        Lengths.RequireEqual(scales.Length, values.Length, nameof(scales));
        Values = values;
        Centres = centres;
        Scales = scales;
    }

    internal ReadOnlySpan<float> Values { get; }

    internal ReadOnlySpan<float> Centres { get; }

    internal ReadOnlySpan<float> Scales { get; }

    internal int Length => Values.Length;

    internal float this[int i] => (Values[i] - Centres[i]) * Scales[i];

    internal Vector512<float> Wide(int i) => (Vector512.Create(Values[i..]) - Vector512.Create(Centres[i..])) * Vector512.Create(Scales[i..]);
}
