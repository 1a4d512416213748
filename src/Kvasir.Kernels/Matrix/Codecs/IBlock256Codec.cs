using Kvasir.Kernels.Matrix.Tiles;

namespace Kvasir.Kernels.Matrix.Codecs;

/// <summary>Blocks of 256 with a scale per group, which unpack to unsigned bytes.</summary>
internal unsafe interface IBlock256Codec : IQuantCodec
{
    /// <summary>
    /// The power of two that is taken from every code, as a shift; a panel's minimums are then the scales again. Zero where a panel's
    /// minimums are a format's own.
    /// </summary>
    static abstract int OffsetShift { get; }

    /// <summary>How many vectors of two products each fit into 16 bits when the activations are at their largest.</summary>
    static abstract int VectorsPerSum { get; }

    static abstract void Unpack<TLanes, TVector>(TileRows rows, int offset, Panel<TVector> panel)
        where TLanes : struct, IWordLanes<TVector>
        where TVector : unmanaged;
}
