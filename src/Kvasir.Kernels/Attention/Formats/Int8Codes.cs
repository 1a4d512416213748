using System.Runtime.Intrinsics;

namespace Kvasir.Kernels.Attention.Formats;

/// <summary>Elements to signed bytes.</summary>
internal static unsafe class Int8Codes
{
    // 1.5 * 2^23: added to a small number, it leaves the nearest integer in the low bits.
    private const float RoundingShift = 12582912f;

    /// <summary>codes[i] = elements[i] * inverses[i] + zeros[i], rounded to nearest even and limited to a byte.</summary>
    /// <param name="count">A multiple of 32.</param>
    public static void Encode(float* elements, float* inverses, float* zeros, int count, sbyte* codes)
    {
        for (var i = 0; i < count; i += 4 * Vector256<float>.Count)
        {
            var lower = Vector256.Narrow(Rounded(elements, inverses, zeros, i), Rounded(elements, inverses, zeros, i + 8));
            var upper = Vector256.Narrow(Rounded(elements, inverses, zeros, i + 16), Rounded(elements, inverses, zeros, i + 24));
            Vector256.Narrow(lower, upper).Store(codes + i);
        }
    }

    private static Vector256<int> Rounded(float* elements, float* inverses, float* zeros, int i)
    {
        var code = Vector256.Load(elements + i) * Vector256.Load(inverses + i) + Vector256.Load(zeros + i);
        code = Vector256.Min(Vector256.Max(code, Vector256.Create(-128f)), Vector256.Create(127f));
        return (code + Vector256.Create(RoundingShift)).AsInt32();
    }
}
