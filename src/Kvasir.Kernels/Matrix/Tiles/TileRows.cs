using System.Runtime.CompilerServices;

namespace Kvasir.Kernels.Matrix.Tiles;

/// <summary>Where the rows of a tile lie: equally far apart, which spares the kernels a pointer per row.</summary>
internal readonly unsafe struct TileRows(byte* first, nint stride)
{
    public byte* First => first;

    public nint Stride => stride;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public byte* Row(int row) => first + row * stride;

    public TileRows Advance(int bytes) => new(first + bytes, stride);
}
