namespace Kvasir.Kernels.Matrix.Codecs;

/// <summary>Blocks that unpack to signed bytes of at most 127 in size, in their order: what <see cref="Tiles.SignedRows{TCodec}"/> multiplies.</summary>
internal unsafe interface ISignedCodec : IQuantCodec
{
    /// <summary>Whether an element has something taken from it beside its product: <see cref="BlockParts.Minimum"/>.</summary>
    static abstract bool HasMinimum { get; }

    /// <summary>As <see cref="IQuantCodec.Split"/>, in vectors.</summary>
    static abstract void SplitWide(byte* block, ref BlockParts parts);
}
