namespace Kvasir.Kernels.Matrix.Codecs;

/// <summary>A weight format without blocks: every element is a number of its own.</summary>
internal unsafe interface IFloatCodec
{
    static abstract int ElementBytes { get; }

    static abstract float Read(byte* element);
}
