using BenchmarkDotNet.Attributes;
using Kvasir.Kernels.Matrix;

namespace Kvasir.Bench.Matrix;

/// <summary>What preparing one row costs, to be held against the product that follows.</summary>
public class ActivationsBench
{
    private readonly float[] _row = new float[8192];
    private byte[] _prepared = [];

    [Params(ActivationKind.Q8Block32, ActivationKind.Q8Block256)]
    public ActivationKind Kind { get; set; }

    [GlobalSetup]
    public void FillRow()
    {
        var random = new Random(1);
        for (var i = 0; i < _row.Length; i++)
            _row[i] = random.NextSingle() - 0.5f;
        _prepared = new byte[Activations.RowBytes(Kind, _row.Length)];
    }

    [Benchmark]
    public void Prepare() => Activations.Prepare(Kind, _row, _prepared);
}
