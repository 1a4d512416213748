using System.Runtime.Intrinsics;
using Kvasir.Kernels.Elementwise;

namespace Kvasir.Kernels.Attention.Amx;

/// <summary>Changes rows into columns, sixteen by sixteen units of 32 bits: floats, or pairs of bf16 numbers.</summary>
internal static unsafe class TileTranspose
{
    private const int Units = 16;

    /// <param name="rows">Sixteen rows of 64 bytes.</param>
    /// <param name="stride">Bytes from one to the next.</param>
    /// <param name="tile">Rows without a gap.</param>
    public static void Run(byte* rows, nint stride, float* tile)
    {
        for (var i = 0; i < Units; i += 4)
        {
            FloatLanes512.LoadColumns(rows + i * sizeof(float), stride, out var a, out var b, out var c, out var d);
            a.Store(tile + i * Units);
            b.Store(tile + (i + 1) * Units);
            c.Store(tile + (i + 2) * Units);
            d.Store(tile + (i + 3) * Units);
        }
    }
}
