using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Kernels.Attention;

/// <summary>Rows of an <see cref="IPlainCodec"/>: nothing to write but the codec.</summary>
internal sealed unsafe class PlainKernels<TCodec>(RowKernels floats) : WidenedKernels(floats)
    where TCodec : struct, IPlainCodec
{
    public override void Widen(StoredRow stored, int blockCount, float* row)
    {
        var elements = blockCount * RowBlocks.Elements;
        TCodec.Decode(new ReadOnlySpan<byte>(stored.Codes, TCodec.RowBytes(elements)), new Span<float>(row, elements));
    }
}
