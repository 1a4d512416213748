using Kvasir.Kernels.Matrix.Tiles;

namespace Kvasir.Kernels.Matrix.Codecs;

/// <summary>A weight format without blocks: every element is a number of its own.</summary>
internal unsafe interface IFloatCodec
{
    static abstract int ElementBytes { get; }

    static abstract float Read(byte* element);

    /// <summary>As many consecutive elements as a vector has lanes.</summary>
    static abstract TVector Load<TLanes, TVector>(byte* elements)
        where TLanes : struct, IWordLanes<TVector>
        where TVector : unmanaged;

    /// <summary>Four bytes per lane to one vector per element.</summary>
    static abstract void Unpack<TLanes, TVector>(TVector word, TVector* elements)
        where TLanes : struct, IWordLanes<TVector>
        where TVector : unmanaged;
}
