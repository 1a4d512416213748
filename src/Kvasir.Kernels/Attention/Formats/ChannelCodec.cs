namespace Kvasir.Kernels.Attention.Formats;

/// <summary>Bytes whose steps and zeros the rows of a page share, one for each channel.</summary>
internal sealed class ChannelCodec() : StoredCodec<KvInt8Codec>(errorShare: 1.0 / 255)
{
    public override bool SealsPages => true;

    internal override int SharedBytes(int dim) => OpenPage.SharedBytes(dim);

    internal override long OpenBytes(int dim, int pageTokens) => OpenPage.Bytes(dim, pageTokens);

    internal override OpenPage Open(int dim, int pageTokens, in RowLayout layout, int sharedAt) => new(dim, pageTokens, layout, sharedAt);
}
