namespace Kvasir.Kernels.Matrix.Codecs;

/// <summary>A quantised format as its definition reads: one block apart into integers and scales. Slow and exact.</summary>
internal unsafe interface IQuantCodec
{
    static abstract int BlockElements { get; }

    static abstract int BlockBytes { get; }

    /// <summary>How many consecutive elements share an entry of <see cref="BlockParts.Scales"/>.</summary>
    static abstract int GroupElements { get; }

    static abstract void Split(byte* block, ref BlockParts parts);
}
