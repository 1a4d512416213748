using System.Runtime.Intrinsics;
using Kvasir.Kernels.Attention.Amx;
using Kvasir.Kernels.Elementwise;

namespace Kvasir.Kernels.Attention.Formats;

/// <summary>Rows of a codec whose kernels are closed over it, for every width of vectors.</summary>
internal class StoredCodec<TCodec>(double errorShare, TileForm tiles = TileForm.None, params ReadOnlySpan<Variant<RowKernels>> faster)
    : RowCodec(errorShare, tiles, [.. ByLanes(), .. faster])
    where TCodec : struct, IKvCodec
{
    internal override void Encode(ReadOnlySpan<float> row, StoredRow stored) => TCodec.Encode(row, stored);

    private protected override RowSizes PartsOf(int dim) => TCodec.Parts(dim);

    private static Variant<RowKernels>[] ByLanes() =>
    [
        new("scalar", true, new LaneKernels<TCodec, FloatLanes1, float>()),
        new("128", Vector128.IsHardwareAccelerated, new LaneKernels<TCodec, FloatLanes128, Vector128<float>>()),
        new("256", Vector256.IsHardwareAccelerated, new LaneKernels<TCodec, FloatLanes256, Vector256<float>>()),
        new("512", Vector512.IsHardwareAccelerated, new LaneKernels<TCodec, FloatLanes512, Vector512<float>>()),
    ];
}
