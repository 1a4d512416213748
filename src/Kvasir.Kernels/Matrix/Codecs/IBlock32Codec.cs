using Kvasir.Kernels.Matrix.Tiles;

namespace Kvasir.Kernels.Matrix.Codecs;

/// <summary>Blocks of 32 that begin with a half-precision scale, and unpack to unsigned bytes.</summary>
internal unsafe interface IBlock32Codec : IQuantCodec
{
    /// <summary>How many times eight an unpacked code is too large: 0, 1 or 2.</summary>
    static abstract int OffsetEights { get; }

    /// <summary>A second half follows the scale: what is added to every element.</summary>
    static abstract bool HasMinimum { get; }

    /// <summary>How many vectors of two products each fit into 16 bits when the activations are at their largest.</summary>
    static abstract int VectorsPerSum { get; }

    /// <summary>One block of each row as eight vectors of four codes per lane.</summary>
    static abstract void Unpack<TLanes, TVector>(TileRows rows, int offset, TVector* codes)
        where TLanes : struct, IWordLanes<TVector>
        where TVector : unmanaged;
}
