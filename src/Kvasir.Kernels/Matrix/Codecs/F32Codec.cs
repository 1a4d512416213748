using System.Runtime.CompilerServices;

namespace Kvasir.Kernels.Matrix.Codecs;

/// <summary>IEEE single precision.</summary>
internal readonly unsafe struct F32Codec : IFloatCodec
{
    public static int ElementBytes => sizeof(float);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Read(byte* element) => Unsafe.ReadUnaligned<float>(element);
}
