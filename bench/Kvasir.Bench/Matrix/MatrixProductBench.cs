using BenchmarkDotNet.Attributes;
using Kvasir.Kernels.Matrix;
using Kvasir.Kernels.Memory;

namespace Kvasir.Bench.Matrix;

/// <summary>One thread, a matrix as large as a feed-forward layer's. Copies that no cache holds are walked, as a decode step does.</summary>
public class MatrixProductBench : IDisposable
{
    private const int Rows = 2048;
    private const int Columns = 8192;
    private const long ColdBytes = 200_000_000;

    private NativeBuffer? _buffer;
    private WeightMatrix[] _copies = [];
    private byte[] _prepared = [];
    private float[] _results = [];
    private ProductKernel? _kernel;
    private int _next;

    public static string[] KernelNames
    {
        get
        {
            var wide = Array.FindAll(MatrixProduct.Variants, variant => variant.IsSupported && variant.Name != "scalar");
            return Array.ConvertAll(wide, variant => variant.Name);
        }
    }

    [Params(WeightType.Q4_0, WeightType.Q8_0, WeightType.Q4_K, WeightType.Q6_K, WeightType.BF16, WeightType.F32)]
    public WeightType Type { get; set; }

    [Params(1, 512)]
    public int Batch { get; set; }

    [ParamsSource(nameof(KernelNames))]
    public string Kernel { get; set; } = "";

    [GlobalSetup]
    public void FillMemory()
    {
        var random = new Random(1);
        var bytes = WeightLayout.RowBytes(Type, Columns) * Rows;
        _copies = new WeightMatrix[Math.Max(1, ColdBytes / bytes)];
        _buffer = new NativeBuffer(bytes * _copies.Length);
        for (var i = 0; i < _copies.Length; i++)
        {
            random.NextBytes(_buffer.View.Span(i * bytes, (int)bytes));
            _copies[i] = new WeightMatrix(Type, Rows, Columns, _buffer.View.Slice(i * bytes, bytes));
        }

        var kind = Activations.KindOf(Type);
        var rowBytes = Activations.RowBytes(kind, Columns);
        var row = new float[Columns];
        _prepared = new byte[rowBytes * Batch];
        for (var b = 0; b < Batch; b++)
        {
            for (var i = 0; i < Columns; i++)
                row[i] = random.NextSingle() - 0.5f;
            Activations.Prepare(kind, row, _prepared.AsSpan(b * rowBytes, rowBytes));
        }

        _results = new float[Batch * Rows];
        _kernel = Array.Find(MatrixProduct.Variants, variant => variant.Name == Kernel).Run;
    }

    [GlobalCleanup]
    public void Dispose()
    {
        _buffer?.Dispose();
        GC.SuppressFinalize(this);
    }

    [Benchmark]
    public void Multiply()
    {
        _next = (_next + 1) % _copies.Length;
        MatrixProduct.Run(_kernel!, _copies[_next], 0, Rows, _prepared, Batch, _results, Rows);
    }
}
