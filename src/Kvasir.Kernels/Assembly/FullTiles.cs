using System.Runtime.InteropServices;
using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Kvasir.Kernels.Assembly;

/// <summary>
/// The eight AMX tiles, all of full size: 16 rows of 64 bytes. A tile of bf16 numbers is 16 x 32; TDPBF16PS(c, a, b) adds to the 16 x 16 floats
/// of c the product of a, whose rows are 32 numbers each, and b, whose row i holds numbers 2i and 2i + 1 of each of its sixteen columns.
/// </summary>
internal static unsafe class FullTiles
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

    // Never freed: kernels hold its address.
    private static readonly byte* Shapes = Describe();

    /// <summary>Makes the tiles usable by what follows; changes <paramref name="scratch"/>.</summary>
    public static void WriteStart(Assembler code, AssemblerRegister64 scratch)
    {
        code.mov(scratch, (long)Shapes);
        code.ldtilecfg(__[scratch]);
    }

    /// <summary>Gives the tiles up, so that the system need not save them.</summary>
    public static void WriteEnd(Assembler code) => code.tilerelease();

    private static byte* Describe()
    {
        var shapes = (byte*)NativeMemory.AlignedAlloc(RowBytes, RowBytes);
        NativeMemory.Clear(shapes, RowBytes);
        shapes[0] = 1;
        for (var tile = 0; tile < Tiles; tile++)
        {
            ((ushort*)(shapes + WidthsAt))[tile] = RowBytes;
            shapes[HeightsAt + tile] = Rows;
        }

        return shapes;
    }
}
