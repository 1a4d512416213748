using Kvasir.Kernels.Attention.Amx;

namespace Kvasir.Kernels.Attention.Formats;

/// <summary>Rows of an <see cref="IPlainCodec"/>.</summary>
internal sealed unsafe class PlainCodec<TCodec>(double errorShare)
    : RowCodec(errorShare, errorShare >= BF16.ErrorShare ? TileForm.Narrowed : TileForm.None, [.. F32.Forms.Select(Widened)])
    where TCodec : struct, IPlainCodec
{
    // Kernels copy rows in pieces of 32 bytes, and read numbers of 4.
    private const int FewestBytes = 32;
    private const int Granule = 4;

    internal override void Encode(ReadOnlySpan<float> row, StoredRow stored)
    {
        Span<float> whole = stackalloc float[RowBlocks.Count(row.Length) * RowBlocks.Elements];
        row.CopyTo(whole);
        whole[row.Length..].Clear();
        var bytes = TCodec.RowBytes(whole.Length);
        TCodec.Encode(whole, new Span<byte>(stored.Codes, bytes));
        new Span<byte>(stored.Codes + bytes, PartsOf(row.Length).CodeBytes - bytes).Clear();
    }

    private protected override RowSizes PartsOf(int dim)
    {
        var bytes = TCodec.RowBytes(RowBlocks.Count(dim) * RowBlocks.Elements);
        return new RowSizes(Math.Max(FewestBytes, (bytes + Granule - 1) / Granule * Granule), 0);
    }

    private static Variant<RowKernels> Widened(Variant<RowKernels> floats) => new(floats.Name, floats.IsSupported, new PlainKernels<TCodec>(floats.Run));
}
