using System.Diagnostics;
using Kvasir.Forward;
using Kvasir.Kernels.Matrix;
using Kvasir.Kernels.Memory;
using Kvasir.Models;
using Kvasir.Models.Configs;
using Kvasir.Synthetic;

namespace Kvasir.Planning;

/// <summary>Products with random matrices that no cache holds, by the engine's own kernels on all workers.</summary>
internal sealed class MatrixMeasurement : IDisposable
{
    private const int Columns = 2048;
    private const int OutputRows = 16_384;
    private const long AllBytes = 160 << 20;
    private readonly WorkerPool _workers;
    private readonly WeightPacker _packer = new(enabled: true);
    private readonly List<NativeBuffer> _stored = [];
    private readonly List<WeightMatrix> _matrices = [];
    private readonly WeightType _type;

    private readonly double _scale;

    /// <param name="type">One that random blocks can be made of.</param>
    /// <param name="scale">1 for figures; less for whoever wants any figures soon.</param>
    public MatrixMeasurement(WeightType type, WorkerPool workers, double scale)
    {
        (_type, _workers, _scale) = (type, workers, scale);
        var bytes = OutputRows * WeightLayout.RowBytes(type, Columns);
        for (var at = 0L; at < AllBytes * scale; at += bytes)
        {
            var stored = new NativeBuffer(bytes);
            RandomBlocks.Fill(type, stored.View, (ulong)_matrices.Count << 32);
            var matrix = new WeightMatrix(type, OutputRows, Columns, stored.View);
            if (_packer.TryPack(matrix, out var packed))
                stored.Dispose();
            else
                _stored.Add(stored);
            _matrices.Add(packed);
        }
    }

    /// <param name="rows">Multiplied at once.</param>
    public MatrixSpeed Measure(int rows)
    {
        var kinds = new HashSet<ActivationKind> { Activations.KindOf(_matrices[0], rows) };
        using var input = new LinearInput(
            new PreparedRows(rows, Columns, _workers.WorkerCount, kinds, new RowNorm(NormKind.RootMeanSquare, 1e-5f)));
        using var values = new NativeBuffer((long)rows * Columns * sizeof(float));
        using var results = NativeBuffer.Uninitialized((long)rows * OutputRows * sizeof(float));
        var random = new Random(1);
        foreach (ref var value in values.Span<float>(rows * Columns))
            value = random.NextSingle() - 0.5f;
        var linear = new LinearProduct(input, _workers);
        var (next, norm) = (0, new float[Columns]);
        norm.AsSpan().Fill(1);
        var ms = new SettledTime(_scale).Of(() =>
        {
            var begin = Stopwatch.GetTimestamp();
            linear.Run(new LinearRows(values.View, rows, Columns, norm), new LinearTarget(_matrices[next++ % _matrices.Count], null, results.View));
            return Stopwatch.GetElapsedTime(begin).TotalMilliseconds;
        });
        return new MatrixSpeed(_type.ToString(), rows, Math.Round(OutputRows * WeightLayout.RowBytes(_type, Columns) / ms * 1000));
    }

    public void Dispose()
    {
        _packer.Dispose();
        foreach (var buffer in _stored)
            buffer.Dispose();
    }
}
