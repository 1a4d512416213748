using Kvasir.Kernels.Elementwise;
using Kvasir.Kernels.Memory;
using Kvasir.Models.Configs;

namespace Kvasir.Forward;

/// <summary>What happens to each query and key head between its projection and attention: the QK norm of Qwen3, and RoPE.</summary>
internal sealed class HeadRotation(ModelConfig config, int maxRows) : ParallelJob
{
    private const int ParallelHeads = 256;
    private readonly RopeTable _table = new(config.Rope, maxRows);
    private NativeView _heads;
    private float[]? _norm;
    private int _headCount;

    /// <param name="positions">[rows], the same for all layers of a step.</param>
    public void Fill(ReadOnlySpan<int> positions) => _table.Fill(positions);

    /// <summary>Norms, when <paramref name="norm"/> is given, and rotates [rows, heads, dim] in place.</summary>
    public void Rotate(WorkerPool pool, NativeView heads, int headCount, int rows, float[]? norm)
    {
        (_heads, _headCount, _norm) = (heads, headCount, norm);
        if (rows * headCount >= ParallelHeads)
        {
            pool.Run(this, rows);
            return;
        }

        for (var row = 0; row < rows; row++)
            Execute(row, 0);
    }

    public override void Execute(int item, int worker)
    {
        for (var head = 0; head < _headCount; head++)
        {
            var values = _heads.Span<float>((((long)item * _headCount) + head) * config.HeadDim * sizeof(float), config.HeadDim);
            if (_norm is not null)
                RmsNorm.Apply(values, _norm, config.NormEpsilon, values);
            Rope.Rotate(values, _table.Cos(item), _table.Sin(item), config.Rope.Order);
        }
    }
}
