using System.Runtime.CompilerServices;

namespace Kvasir.Kernels.Matrix.Codecs;

/// <summary>IEEE half precision, with its subnormals, infinities and NaNs.</summary>
internal readonly unsafe struct F16Codec : IFloatCodec
{
    public static int ElementBytes => HalfFloat.Bytes;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Read(byte* element) => HalfFloat.Read(element);
}
