using System.Runtime.CompilerServices;

namespace Kvasir.Kernels.Matrix.Tiles;

/// <summary>Products of unsigned codes with signed activations, four per lane and vector, summed in 16 bits.</summary>
internal static unsafe class ByteDots<TLanes, TVector>
    where TLanes : struct, IWordLanes<TVector>
    where TVector : unmanaged
{
    /// <summary>Of an even number of vectors; two sums, since each addition waits for the one before.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Sum(TVector* codes, int* x, int vectors)
    {
        var even = TLanes.DotBytes(codes[0], TLanes.Fill(x[0]));
        var odd = TLanes.DotBytes(codes[1], TLanes.Fill(x[1]));
        for (nint i = 2; i < vectors; i += 2)
        {
            even = TLanes.Add16(even, TLanes.DotBytes(codes[i], TLanes.Fill(x[i])));
            odd = TLanes.Add16(odd, TLanes.DotBytes(codes[i + 1], TLanes.Fill(x[i + 1])));
        }

        return TLanes.Add16(even, odd);
    }
}
