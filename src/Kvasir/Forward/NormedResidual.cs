using Kvasir.Kernels.Elementwise;
using Kvasir.Kernels.Memory;

namespace Kvasir.Forward;

/// <summary>x += scale * norm(branch), row by row: what takes the place of a product's epilogue where a norm stands behind a branch.</summary>
internal sealed class NormedResidual(RowNorm norm, int width) : ParallelJob
{
    private const int ParallelRows = 8;
    private NativeView _x;
    private NativeView _branch;
    private float[] _weight = [];
    private float _scale;

    /// <param name="x">[rows, width], added to.</param>
    /// <param name="branch">[rows, width], normed in place.</param>
    public void Add(WorkerPool pool, NativeView x, NativeView branch, int rows, (float[] Weight, float Scale) norms)
    {
        (_x, _branch, (_weight, _scale)) = (x, branch, norms);
        if (rows >= ParallelRows)
        {
            pool.Run(this, rows);
            return;
        }

        for (var row = 0; row < rows; row++)
            Execute(row, 0);
    }

    public override void Execute(int item, int worker)
    {
        var at = (long)item * width * sizeof(float);
        var branch = _branch.Span<float>(at, width);
        norm.Apply(branch, _weight, branch);
        VectorMath.AddScaled(_scale, branch, _x.Span<float>(at, width));
    }
}
