namespace Kvasir.Kernels.Matrix;

/// <summary>
/// A prepared row of <see cref="ActivationKind.Q8Block256"/>: all codes, then per block of 256 the scale, the sums of its codes
/// by 16 and those by 32.
/// </summary>
internal readonly unsafe struct Q8Block256Row(byte* start, int columns)
{
    public const int BlockElements = 256;
    public const int Sums16PerBlock = BlockElements / 16;
    public const int Sums32PerBlock = BlockElements / 32;
    private const int BlockBytes = BlockElements + sizeof(float) + (Sums16PerBlock + Sums32PerBlock) * sizeof(short);

    private int Blocks => columns / BlockElements;

    /// <summary>In [-127, 127].</summary>
    public sbyte* Codes => (sbyte*)start;

    public float* Scales => (float*)(start + columns);

    public short* Sums16 => (short*)(Scales + Blocks);

    public short* Sums32 => Sums16 + Blocks * Sums16PerBlock;

    public static long Bytes(int columns) => (long)columns / BlockElements * BlockBytes;
}
