namespace Kvasir.Kernels.Matrix;

/// <summary>
/// A prepared row of <see cref="ActivationKind.Q8Block32"/>: all codes, then per block of 32 the scale, -8 times the sum of
/// its codes (what makes up for nibbles that are multiplied unsigned) and the sum times the scale.
/// </summary>
internal readonly unsafe struct Q8Block32Row(byte* start, int columns)
{
    public const int BlockElements = 32;
    private const int BlockBytes = BlockElements + sizeof(float) + sizeof(int) + sizeof(float);

    private int Blocks => columns / BlockElements;

    /// <summary>In [-127, 127].</summary>
    public sbyte* Codes => (sbyte*)start;

    public float* Scales => (float*)(start + columns);

    public int* NibbleOffsets => (int*)(Scales + Blocks);

    public float* ScaledSums => (float*)(NibbleOffsets + Blocks);

    public static long Bytes(int columns) => (long)columns / BlockElements * BlockBytes;
}
