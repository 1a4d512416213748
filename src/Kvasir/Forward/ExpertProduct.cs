using Kvasir.Kernels.Elementwise;
using Kvasir.Kernels.Matrix;
using Kvasir.Kernels.Memory;
using Kvasir.Models.Configs;

namespace Kvasir.Forward;

/// <summary>
/// One fan-out over the rows of the matrices of all experts that have rows of the batch, each with its own rows: gate and up together, or the way down. An
/// expert that nobody chose is not read. Experts with most rows come first, in pieces of like cost, so that workers end together. Those that are not there yet
/// have a fan-out of their own later: no result depends on who comes with whom.
/// </summary>
internal sealed class ExpertProduct(ExpertInput input, ExpertRouter router, int mostExperts, WorkerPool pool) : ParallelJob
{
    private const int ItemsPerWorker = 16;
    private const int ItemRowStep = 32;
    private const int ItemRowLimit = 256;

    // What reading a row of weights costs, in rows that it is multiplied by: a kilobyte of 4-bit codes at 20 GB/s takes 50 ns, a product of 2048 elements 20.
    private const int ReadingCost = 3;
    private readonly int[] _experts = new int[mostExperts];
    private readonly int[] _keys = new int[mostExperts];
    private readonly int[] _firstItems = new int[mostExperts + 1];
    private readonly int[] _itemRows = new int[mostExperts];
    private int _expertCount;
    private ExpertTarget _target;
    private ExpertTarget? _up;
    private GateKind _gate;

    /// <summary>results = matrices x rows + biases.</summary>
    /// <param name="experts">Those that have rows, or some of them.</param>
    public void Run(ReadOnlySpan<int> experts, in ExpertTarget target)
    {
        (_target, _up) = (target, null);
        Run(experts);
    }

    /// <summary>The gate's results = kind(gates x rows) * (ups x rows), each with its biases.</summary>
    /// <param name="experts">As in <see cref="Run(ReadOnlySpan{int}, in ExpertTarget)"/>.</param>
    public void RunGated(GateKind kind, ReadOnlySpan<int> experts, in ExpertTarget gate, in ExpertTarget up)
    {
        (_gate, _target, _up) = (kind, gate, up);
        Run(experts);
    }

    public override void Execute(int item, int worker)
    {
        var place = _firstItems.AsSpan(0, _expertCount).BinarySearch(item);
        if (place < 0)
            place = ~place - 1;
        var expert = _experts[place];
        var outputs = _target.Weights[expert].Rows;
        var firstRow = (item - _firstItems[place]) * _itemRows[place];
        var rowCount = Math.Min(_itemRows[place], outputs - firstRow);
        var results = Multiply(_target, expert, firstRow, rowCount);
        if (_up is not { } up)
            return;
        var ups = Multiply(up, expert, firstRow, rowCount);
        for (var row = 0; row < router.RowsOf(expert); row++)
        {
            var gate = results.Slice((row * outputs) + firstRow, rowCount);
            var other = ups.Slice((row * outputs) + firstRow, rowCount);
            if (_gate == GateKind.ClampedSilu)
                ClampedSwiGlu.Apply(gate, other, gate);
            else if (_gate == GateKind.GeluTanh)
                GeGlu.Apply(gate, other, gate);
            else
                SwiGlu.Apply(gate, other, gate);
        }
    }

    private Span<float> Multiply(in ExpertTarget target, int expert, int firstRow, int rowCount)
    {
        var (weights, rows) = (target.Weights[expert], router.RowsOf(expert));
        var own = target.Results.Span<float>((long)router.FirstSlot(expert) * weights.Rows * sizeof(float), rows * weights.Rows);
        MatrixProduct.Multiply(weights, firstRow, rowCount, input.Prepared(weights, expert), rows, own, weights.Rows);
        for (var row = 0; row < rows && target.Biases is not null; row++)
            VectorMath.Add(target.Biases.AsSpan((expert * weights.Rows) + firstRow, rowCount), own.Slice((row * weights.Rows) + firstRow, rowCount));
        return own;
    }

    private void Run(ReadOnlySpan<int> experts)
    {
        var cost = Order(experts);
        var share = Math.Max(1, cost / (pool.WorkerCount * ItemsPerWorker));
        for (var i = 0; i < _expertCount; i++)
        {
            var rows = share / (router.RowsOf(_experts[i]) + ReadingCost);
            _itemRows[i] = Math.Clamp((int)(rows + ItemRowStep - 1) / ItemRowStep * ItemRowStep, ItemRowStep, ItemRowLimit);
            _firstItems[i + 1] = _firstItems[i] + ((_target.Weights[_experts[i]].Rows + _itemRows[i] - 1) / _itemRows[i]);
        }

        pool.Run(this, _firstItems[_expertCount]);
    }

    // Most rows first and the lower index of equal ones; returns what all cost.
    private long Order(ReadOnlySpan<int> experts)
    {
        var cost = 0L;
        experts.CopyTo(_experts);
        for (var i = 0; i < experts.Length; i++)
        {
            var rows = router.RowsOf(experts[i]);
            _keys[i] = -rows;
            cost += (long)_target.Weights[experts[i]].Rows * (rows + ReadingCost);
        }

        _expertCount = experts.Length;
        _keys.AsSpan(0, _expertCount).Sort(_experts.AsSpan(0, _expertCount));
        return cost;
    }
}

/// <summary>A matrix of each expert and where its products go.</summary>
/// <param name="Weights">Of each expert, [outputs, inputs].</param>
/// <param name="Biases">[experts, outputs] or none.</param>
/// <param name="Results">[slots, outputs] of float.</param>
internal readonly record struct ExpertTarget(WeightMatrix[] Weights, float[]? Biases, NativeView Results);
