using BenchmarkDotNet.Attributes;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Elementwise;

namespace Kvasir.Bench.Elementwise;

/// <summary>What stands between the products, over 4096 elements: nanoseconds by 4096 is the cost of one.</summary>
public class ElementwiseBench
{
    private const int Count = 4096;
    private const int Dim = 128;

    private readonly float[] _x = new float[Count];
    private readonly float[] _y = new float[Count];
    private readonly float[] _z = new float[Count];
    private readonly float[] _cos = new float[Dim / 2];
    private readonly float[] _sin = new float[Dim / 2];
    private readonly byte[] _stored = new byte[RowCodec.F32.RowBytes(Dim)];

    [GlobalSetup]
    public void Fill()
    {
        var random = new Random(1);
        for (var i = 0; i < Count; i++)
            (_x[i], _y[i]) = (-10 * random.NextSingle(), random.NextSingle());
        Array.Fill(_cos, 1);
    }

    /// <summary>The copy that makes each run like the first is in the figure.</summary>
    [Benchmark]
    public float Exponentials()
    {
        _x.CopyTo(_z, 0);
        return Softmax.Exponentials(_z, 0);
    }

    [Benchmark]
    public void Gate() => SwiGlu.Apply(_x, _y, _z);

    [Benchmark]
    public void Norm() => RmsNorm.Apply(_x, _y, 1e-5f, _z);

    [Benchmark]
    public float Dot() => VectorMath.Dot(_x, _y);

    [Benchmark]
    [Arguments(RopeOrder.Halves)]
    [Arguments(RopeOrder.Interleaved)]
    public void Rotate(RopeOrder order)
    {
        for (var i = 0; i < Count; i += Dim)
            Rope.Rotate(_z.AsSpan(i, Dim), _cos, _sin, order);
    }

    [Benchmark]
    [Arguments("bf16")]
    [Arguments("q8")]
    public void Encode(string format)
    {
        var codec = KvFormat.Find(format)!.Keys;
        var stored = _stored.AsSpan(0, codec.RowBytes(Dim));
        for (var i = 0; i < Count; i += Dim)
            codec.Encode(_x.AsSpan(i, Dim), stored);
    }
}
