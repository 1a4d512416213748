namespace Kvasir.Kernels.Attention;

/// <summary>Scratch on the stack, moved to where registers never straddle two lines.</summary>
internal static unsafe class CacheLines
{
    /// <summary>Bytes of a line, and how much longer than needed a scratch must be.</summary>
    public const int Bytes = 64;

    public static float* Align(byte* scratch) => (float*)((nint)(scratch + Bytes - 1) & -Bytes);
}
