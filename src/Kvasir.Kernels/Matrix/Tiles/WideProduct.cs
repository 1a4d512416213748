using Kvasir.Kernels.Matrix.Codecs;

namespace Kvasir.Kernels.Matrix.Tiles;

/// <summary>The product in vectors of one width: every type with the kernel of its family.</summary>
internal static class WideProduct<TLanes, TVector>
    where TLanes : struct, IWordLanes<TVector>
    where TVector : unmanaged
{
    public static void Run(in ProductArguments product)
    {
        switch (product.Type)
        {
            case WeightType.F32: Floats<F32Codec>(product); break;
            case WeightType.F16: Floats<F16Codec>(product); break;
            case WeightType.BF16: Floats<BF16Codec>(product); break;
            case WeightType.Q8_0 when ByteRows.IsSupported && product.Batch <= ByteRows.LargestBatch: ByteRows.Run(product); break;
            case WeightType.Q8_0: TileProduct<TLanes, TVector, WordPanels<TLanes, TVector>>.Run(product); break;
            case WeightType.Q4_0: Bytes<Q4_0Codec>(product); break;
            case WeightType.Q4_1: Bytes<Q4_1Codec>(product); break;
            case WeightType.Q5_0: Bytes<Q5_0Codec>(product); break;
            case WeightType.Q5_1: Bytes<Q5_1Codec>(product); break;
            case WeightType.Q4_K: Groups<Q4_KCodec>(product); break;
            case WeightType.Q5_K: Groups<Q5_KCodec>(product); break;
            case WeightType.Q6_K: Groups<Q6_KCodec>(product); break;
            case WeightType.Q2_K: Signed<Q2_KCodec>(product); break;
            case WeightType.Q3_K: Signed<Q3_KCodec>(product); break;
            case WeightType.IQ4_NL: Signed<IQ4_NLCodec>(product); break;
            case WeightType.IQ4_XS: Signed<IQ4_XSCodec>(product); break;
            case WeightType.MXFP4: Signed<MXFP4Codec>(product); break;
            default: throw WeightLayout.Unknown(product.Type);
        }
    }

    private static void Floats<TCodec>(in ProductArguments product)
        where TCodec : struct, IFloatCodec
    {
        if (product.Batch < FloatPanels<TLanes, TVector, TCodec>.SmallestBatch)
            FloatRows<TLanes, TVector, TCodec>.Run(product);
        else if (TLanes.Count == WordLanes512.Count && FloatTileProduct<TCodec>.IsSupported)
            FloatTileProduct<TCodec>.Run(product);
        else
            TileProduct<TLanes, TVector, FloatPanels<TLanes, TVector, TCodec>>.Run(product);
    }

    private static void Bytes<TCodec>(in ProductArguments product)
        where TCodec : struct, IBlock32Codec => TileProduct<TLanes, TVector, BytePanels<TLanes, TVector, TCodec>>.Run(product);

    private static void Signed<TCodec>(in ProductArguments product)
        where TCodec : struct, ISignedCodec
    {
        if (SignedRows<TCodec>.IsSupported)
            SignedRows<TCodec>.Run(product);
        else
            ScalarProduct.Run(product);
    }

    private static void Groups<TCodec>(in ProductArguments product)
        where TCodec : struct, IBlock256Codec => TileProduct<TLanes, TVector, GroupPanels<TLanes, TVector, TCodec>>.Run(product);
}
