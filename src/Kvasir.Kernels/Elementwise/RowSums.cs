namespace Kvasir.Kernels.Elementwise;

/// <summary>
/// Sums over a row: in f32 within a block and in f64 between blocks, so that the error does not grow with the width. Where f32 overflows all is taken in f64: a
/// norm divided by infinity would be a row of zeros, which nobody would notice.
/// </summary>
internal static class RowSums
{
    private const int BlockElements = 256;

    public static double Of<TLanes, V>(ReadOnlySpan<float> x)
        where TLanes : struct, IFloatLanes<V>
        where V : struct
    {
        var sum = 0.0;
        for (var start = 0; start < x.Length; start += BlockElements)
            sum += VectorLoops<TLanes, V>.Sum(x.Slice(start, Math.Min(BlockElements, x.Length - start)));
        return double.IsFinite(sum) ? sum : InDoubles(x);
    }

    /// <summary>Sum of (x[i] - centre)^2.</summary>
    public static double Squares<T, TLanes, V>(ReadOnlySpan<float> x, float centre)
        where T : struct, INormCentre
        where TLanes : struct, IFloatLanes<V>
        where V : struct
    {
        var squares = 0.0;
        for (var start = 0; start < x.Length; start += BlockElements)
        {
            var block = x.Slice(start, Math.Min(BlockElements, x.Length - start));
            squares += T.IsZero ? VectorLoops<TLanes, V>.Dot(block, block) : SquaresOfBlock<TLanes, V>(block, centre);
        }

        return double.IsFinite(squares) ? squares : SquaresInDoubles(x, centre);
    }

    private static unsafe double SquaresOfBlock<TLanes, V>(ReadOnlySpan<float> x, float centre)
        where TLanes : struct, IFloatLanes<V>
        where V : struct
    {
        fixed (float* px = x)
        {
            var (i, c, sum) = (0, TLanes.Broadcast(centre), TLanes.Broadcast(0));
            for (; i <= x.Length - TLanes.Count; i += TLanes.Count)
            {
                var distance = TLanes.Subtract(TLanes.Load(px + i), c);
                sum = TLanes.MultiplyAdd(distance, distance, sum);
            }

            double squares = TLanes.Sum(sum);
            for (; i < x.Length; i++)
                squares += (px[i] - centre) * (px[i] - centre);
            return squares;
        }
    }

    private static double InDoubles(ReadOnlySpan<float> x)
    {
        var sum = 0.0;
        foreach (var element in x)
            sum += element;
        return sum;
    }

    private static double SquaresInDoubles(ReadOnlySpan<float> x, float centre)
    {
        var sum = 0.0;
        foreach (var element in x)
        {
            var distance = (double)element - centre;
            sum += distance * distance;
        }

        return sum;
    }
}
