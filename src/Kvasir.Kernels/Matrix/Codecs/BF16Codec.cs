using System.Runtime.CompilerServices;

namespace Kvasir.Kernels.Matrix.Codecs;

/// <summary>The upper half of an IEEE single.</summary>
internal readonly unsafe struct BF16Codec : IFloatCodec
{
    public static int ElementBytes => sizeof(ushort);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Read(byte* element) => BitConverter.UInt32BitsToSingle((uint)Unsafe.ReadUnaligned<ushort>(element) << 16);
}
