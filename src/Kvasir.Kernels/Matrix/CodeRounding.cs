using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Kvasir.Kernels.Matrix;

/// <summary>Scaled activations to signed bytes: nearest, ties to even, within [-127, 127] whatever comes in, NaN too.</summary>
internal static class CodeRounding
{
    private const float MaxCode = 127;

    public static sbyte Round(float scaled) => (sbyte)Math.Clamp(MathF.Round(scaled), -MaxCode, MaxCode);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Round(Vector256<float> scaled)
    {
        // The product kernels rely on the range: sums of 16-bit products would saturate beyond it.
        var bounded = Vector256.MinNative(Vector256.MaxNative(scaled, Vector256.Create(-MaxCode)), Vector256.Create(MaxCode));
        return Vector256.ConvertToInt32(Vector256.Round(bounded));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Largest(Vector256<int> magnitudes)
    {
        var half = Vector128.Max(magnitudes.GetLower(), magnitudes.GetUpper());
        half = Vector128.Max(half, Vector128.Shuffle(half, Vector128.Create(2, 3, 0, 1)));
        return BitConverter.Int32BitsToSingle(Math.Max(half[0], half[1]));
    }

    /// <summary>Magnitudes as integers, which compare alike, with infinity above every number and NaN above that.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Magnitudes(Vector256<float> values) => Vector256.Abs(values).AsInt32();
}
