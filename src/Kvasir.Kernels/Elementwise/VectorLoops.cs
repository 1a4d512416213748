namespace Kvasir.Kernels.Elementwise;

/// <summary>The loops of <see cref="VectorMath"/>, written once for every vector width.</summary>
internal static unsafe class VectorLoops<TLanes, V>
    where TLanes : struct, IFloatLanes<V>
    where V : struct
{
    public static void Add(ReadOnlySpan<float> x, Span<float> y)
    {
        Lengths.RequireEqual(x.Length, y.Length, nameof(x));
        fixed (float* px = x, py = y)
        {
            var i = 0;
            for (; i <= x.Length - TLanes.Count; i += TLanes.Count)
                TLanes.Store(TLanes.Add(TLanes.Load(py + i), TLanes.Load(px + i)), py + i);
            for (; i < x.Length; i++)
                py[i] += px[i];
        }
    }

    public static void Multiply(ReadOnlySpan<float> x, Span<float> y)
    {
        Lengths.RequireEqual(x.Length, y.Length, nameof(x));
        fixed (float* px = x, py = y)
        {
            var i = 0;
            for (; i <= x.Length - TLanes.Count; i += TLanes.Count)
                TLanes.Store(TLanes.Multiply(TLanes.Load(py + i), TLanes.Load(px + i)), py + i);
            for (; i < x.Length; i++)
                py[i] *= px[i];
        }
    }

    public static void Raise(ReadOnlySpan<float> x, Span<float> y)
    {
        Lengths.RequireEqual(x.Length, y.Length, nameof(x));
        fixed (float* px = x, py = y)
        {
            var i = 0;
            for (; i <= x.Length - TLanes.Count; i += TLanes.Count)
                TLanes.Store(TLanes.Max(TLanes.Load(py + i), TLanes.Load(px + i)), py + i);
            for (; i < x.Length; i++)
                py[i] = px[i] > py[i] ? px[i] : py[i];
        }
    }

    public static void AddScaled(float factor, ReadOnlySpan<float> x, Span<float> y)
    {
        Lengths.RequireEqual(x.Length, y.Length, nameof(x));
        fixed (float* px = x, py = y)
        {
            var i = 0;
            var f = TLanes.Broadcast(factor);
            for (; i <= x.Length - TLanes.Count; i += TLanes.Count)
                TLanes.Store(TLanes.MultiplyAdd(f, TLanes.Load(px + i), TLanes.Load(py + i)), py + i);
            for (; i < x.Length; i++)
                py[i] = float.MultiplyAddEstimate(factor, px[i], py[i]);
        }
    }

    public static void Scale(Span<float> x, float factor)
    {
        fixed (float* px = x)
        {
            var i = 0;
            var f = TLanes.Broadcast(factor);
            for (; i <= x.Length - TLanes.Count; i += TLanes.Count)
                TLanes.Store(TLanes.Multiply(f, TLanes.Load(px + i)), px + i);
            for (; i < x.Length; i++)
                px[i] *= factor;
        }
    }

    public static float Max(ReadOnlySpan<float> x)
    {
        fixed (float* px = x)
        {
            // Two registers, since one would wait for its own latency.
            var (even, odd) = (TLanes.Broadcast(float.NegativeInfinity), TLanes.Broadcast(float.NegativeInfinity));
            var i = 0;
            for (; i <= x.Length - 2 * TLanes.Count; i += 2 * TLanes.Count)
            {
                even = TLanes.Max(even, TLanes.Load(px + i));
                odd = TLanes.Max(odd, TLanes.Load(px + i + TLanes.Count));
            }

            var largest = TLanes.Largest(TLanes.Max(even, odd));
            for (; i < x.Length; i++)
                largest = px[i] > largest ? px[i] : largest;
            return largest;
        }
    }

    public static float MaxOrNaN(ReadOnlySpan<float> x)
    {
        fixed (float* px = x)
        {
            // 0 times a number is 0, and 0 times NaN or infinity is NaN: one more multiply-add for each load that the maximum needs anyway.
            var (even, odd) = (TLanes.Broadcast(float.NegativeInfinity), TLanes.Broadcast(float.NegativeInfinity));
            var (zero, evenTest, oddTest) = (TLanes.Broadcast(0), TLanes.Broadcast(0), TLanes.Broadcast(0));
            var i = 0;
            for (; i <= x.Length - 2 * TLanes.Count; i += 2 * TLanes.Count)
            {
                var (a, b) = (TLanes.Load(px + i), TLanes.Load(px + i + TLanes.Count));
                even = TLanes.Max(even, a);
                odd = TLanes.Max(odd, b);
                evenTest = TLanes.MultiplyAdd(a, zero, evenTest);
                oddTest = TLanes.MultiplyAdd(b, zero, oddTest);
            }

            var largest = TLanes.Largest(TLanes.Max(even, odd));
            var test = TLanes.Sum(TLanes.Add(evenTest, oddTest));
            for (; i < x.Length; i++)
            {
                largest = px[i] > largest ? px[i] : largest;
                test += px[i] * 0;
            }

            return test == 0 ? largest : ExactMaxOrNaN(x);
        }
    }

    public static float Sum(ReadOnlySpan<float> x)
    {
        fixed (float* px = x)
        {
            var (even, odd) = (TLanes.Broadcast(0), TLanes.Broadcast(0));
            var i = 0;
            for (; i <= x.Length - 2 * TLanes.Count; i += 2 * TLanes.Count)
            {
                even = TLanes.Add(even, TLanes.Load(px + i));
                odd = TLanes.Add(odd, TLanes.Load(px + i + TLanes.Count));
            }

            var sum = TLanes.Sum(TLanes.Add(even, odd));
            for (; i < x.Length; i++)
                sum += px[i];
            return sum;
        }
    }

    public static float Dot(ReadOnlySpan<float> x, ReadOnlySpan<float> y)
    {
        Lengths.RequireEqual(x.Length, y.Length, nameof(x));
        fixed (float* px = x, py = y)
        {
            // Four sums: as many as multiply-adds take cycles, times the ports that do them, halved by the two loads of each.
            var (a, b, c, d) = (TLanes.Broadcast(0), TLanes.Broadcast(0), TLanes.Broadcast(0), TLanes.Broadcast(0));
            var n = TLanes.Count;
            var i = 0;
            for (; i <= x.Length - 4 * n; i += 4 * n)
            {
                a = TLanes.MultiplyAdd(TLanes.Load(px + i), TLanes.Load(py + i), a);
                b = TLanes.MultiplyAdd(TLanes.Load(px + i + n), TLanes.Load(py + i + n), b);
                c = TLanes.MultiplyAdd(TLanes.Load(px + i + 2 * n), TLanes.Load(py + i + 2 * n), c);
                d = TLanes.MultiplyAdd(TLanes.Load(px + i + 3 * n), TLanes.Load(py + i + 3 * n), d);
            }

            for (; i <= x.Length - n; i += n)
                a = TLanes.MultiplyAdd(TLanes.Load(px + i), TLanes.Load(py + i), a);
            var sum = TLanes.Sum(TLanes.Add(TLanes.Add(a, b), TLanes.Add(c, d)));
            for (; i < x.Length; i++)
                sum = float.MultiplyAddEstimate(px[i], py[i], sum);
            return sum;
        }
    }

    private static float ExactMaxOrNaN(ReadOnlySpan<float> x)
    {
        var largest = float.NegativeInfinity;
        foreach (var value in x)
            largest = MathF.Max(largest, value);
        return largest;
    }
}
