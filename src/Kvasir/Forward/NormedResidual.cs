using Kvasir.Kernels.Elementwise;
using Kvasir.Kernels.Memory;

namespace Kvasir.Forward;

/// <summary>
/// x = g (x + scale * norm(branch)), row by row: what takes the place of a product's epilogue where a norm stands behind a branch. A branch may be two that are
/// added, each behind a norm of its own.
/// </summary>
internal sealed class NormedResidual(RowNorm norm, int width) : ParallelJob
{
    private const int ParallelRows = 8;
    private NativeView _x;
    private NativeView _branch;
    private ResidualNorms _norms;

    /// <param name="x">[rows, width], added to.</param>
    /// <param name="branch">[rows, width], normed in place.</param>
    public void Add(WorkerPool pool, NativeView x, NativeView branch, int rows, in ResidualNorms norms)
    {
        (_x, _branch, _norms) = (x, branch, norms);
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
        var x = _x.Span<float>(at, width);
        var branch = _branch.Span<float>(at, width);
        if (_norms.Beside is { } beside)
        {
            var other = beside.Values.Span<float>(at, width);
            norm.Apply(branch, beside.OwnNorm, branch);
            norm.Apply(other, beside.Norm, other);
            VectorMath.Add(other, branch);
        }

        norm.Apply(branch, _norms.Weight, branch);
        VectorMath.AddScaled(_norms.Scale, branch, x);
        if (_norms.LayerScale != 1)
            VectorMath.Scale(x, _norms.LayerScale);
    }
}

/// <summary>How a branch comes into the residual stream.</summary>
/// <param name="Weight">[width]: of its norm.</param>
/// <param name="Scale">What it is multiplied by.</param>
/// <param name="LayerScale">What the stream is multiplied by when it has been added.</param>
internal readonly record struct ResidualNorms(float[] Weight, float Scale, float LayerScale = 1)
{
    /// <summary>Another branch that is added to this one first, [rows, width], which is normed in place; null for none.</summary>
    public (NativeView Values, float[] Norm, float[] OwnNorm)? Beside { get; init; }
}
