using System.Runtime.InteropServices;
using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Kvasir.Kernels.Assembly;

/// <summary>
/// The eight AMX tiles, of 64 bytes in a row and up to 16 rows. A tile of bf16 numbers is 16 x 32; TDPBF16PS(c, a, b) adds to the 16 x 16 floats
/// of c the product of a, whose rows are 32 numbers each, and b, whose row i holds numbers 2i and 2i + 1 of each of its sixteen columns.
/// </summary>
internal static unsafe class AmxTiles
{
    /// <summary>Rows of a tile.</summary>
    public const int Rows = 16;

    /// <summary>Bytes of a row of a tile.</summary>
    public const int RowBytes = 64;

    /// <summary>Bytes of a tile.</summary>
    public const int Bytes = Rows * RowBytes;

    private const int Tiles = 8;
    private const int WidthsAt = 16;
    private const int HeightsAt = 48;

    /// <summary>Makes the tiles usable by what follows; changes <paramref name="scratch"/>.</summary>
    /// <param name="code">Of the kernel.</param>
    /// <param name="scratch">Any register.</param>
    /// <param name="heights">Rows of the first tiles; the others, or all, have sixteen. A tile of no rows is not to be used.</param>
    public static void WriteStart(Assembler code, AssemblerRegister64 scratch, params ReadOnlySpan<int> heights)
    {
        code.mov(scratch, (long)Describe(heights));
        code.ldtilecfg(__[scratch]);
    }

    /// <summary>Gives the tiles up, so that the system need not save them.</summary>
    public static void WriteEnd(Assembler code) => code.tilerelease();

    // Never freed, as the kernel that holds its address.
    private static byte* Describe(ReadOnlySpan<int> heights)
    {
        var shapes = (byte*)NativeMemory.AlignedAlloc(RowBytes, RowBytes);
        NativeMemory.Clear(shapes, RowBytes);
        shapes[0] = 1;
        for (var tile = 0; tile < Tiles; tile++)
        {
            var height = tile < heights.Length ? heights[tile] : Rows;
            ((ushort*)(shapes + WidthsAt))[tile] = (ushort)(height > 0 ? RowBytes : 0);
            shapes[HeightsAt + tile] = (byte)height;
        }

        return shapes;
    }
}
