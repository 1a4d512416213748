using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Kvasir.Kernels.Attention.Amx;

/// <summary>Sixteen floats to bf16, to nearest even. NaN stays NaN where its payload is the processor's own.</summary>
internal static class Bf16Rounding
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<ushort> Narrow(Vector512<float> x) => Avx512F.ConvertToVector256UInt16(Vector512.ShiftRightLogical(Bits(x), 16));

    /// <summary>What <see cref="Narrow"/> takes away.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Remainder(Vector512<float> x) => x - (Bits(x) & Vector512.Create(0xFFFF0000)).AsSingle();

    private static Vector512<uint> Bits(Vector512<float> x)
    {
        var bits = x.AsUInt32();
        return bits + Vector512.Create(0x7FFFu) + (Vector512.ShiftRightLogical(bits, 16) & Vector512<uint>.One);
    }
}
