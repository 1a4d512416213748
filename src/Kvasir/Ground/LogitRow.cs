using System.Globalization;
using Kvasir.Kernels.Elementwise;

namespace Kvasir.Ground;

/// <summary>What a row of logits is held to before anybody sees it.</summary>
internal static class LogitRow
{
    /// <summary>
    /// The largest logit, which is finite. Minus infinity is a logit like any other beside it, of a token that cannot be. One pass over the row, which greedy
    /// sampling needs as well, so that the test reads no byte of its own there.
    /// </summary>
    /// <param name="logits">[vocabulary]</param>
    /// <param name="step">Tokens behind the prompt that they have seen.</param>
    /// <param name="position">Of the token that they stand behind.</param>
    /// <exception cref="KvasirException">They are no distribution: one is NaN or plus infinity, or all are minus infinity.</exception>
    public static float Largest(ReadOnlySpan<float> logits, int step, int position)
    {
        var largest = VectorMath.MaxOrNaN(logits);
        return float.IsFinite(largest) ? largest : throw NotFinite(logits, step, position);
    }

    /// <summary>A number that has no digits, as messages spell it.</summary>
    public static string Shown(float value) => float.IsNaN(value) ? "NaN" : float.IsPositiveInfinity(value) ? "infinity"
        : float.IsNegativeInfinity(value) ? "minus infinity" : value.ToString(CultureInfo.InvariantCulture);

    private static KvasirException NotFinite(ReadOnlySpan<float> logits, int step, int position)
    {
        var (count, first) = (0, -1);
        for (var token = 0; token < logits.Length; token++)
        {
            if (float.IsFinite(logits[token]))
                continue;
            count++;
            if (first < 0 || (float.IsNegativeInfinity(logits[first]) && !float.IsNegativeInfinity(logits[token])))
                first = token;
        }

        return new KvasirException(
            KvasirError.NotFinite,
            $"step {step}, behind the token at position {position}: {count} of {logits.Length} logits are not "
                + $"finite (token {first} has {Shown(logits[first])}); a weight is, or the model's numbers overflow");
    }
}
