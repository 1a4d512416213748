using Kvasir.Files;
using Kvasir.Kernels.Elementwise;
using Kvasir.Kernels.Matrix;
using Kvasir.Kernels.Memory;
using Kvasir.Models;
using Kvasir.Models.Configs;

namespace Kvasir.Forward;

/// <summary>
/// One fan-out over the rows of up to three matrices that share their input: query, key and value; gate and up; or a single one.
/// What follows a product element by element (bias, SwiGLU, residual) is done by the worker that has the results in its cache.
/// </summary>
internal sealed class LinearProduct(LinearInput input, WorkerPool pool) : ParallelJob
{
    private const int MaxTargets = 3;
    private const int ItemsPerWorker = 6;
    private const int ItemRowStep = 32;
    private const int ItemRowLimit = 256;
    private readonly LinearTarget[] _targets = new LinearTarget[MaxTargets];
    private readonly int[] _firstItems = new int[MaxTargets + 1];
    private int _targetCount;
    private int _batchRows;
    private int _itemRows;
    private LinearEpilogue _epilogue;
    private NativeView _residual;
    private float _residualScale;
    private GateKind _gate;

    /// <summary>results = weights x rows + bias, for each target.</summary>
    public void Run(in LinearRows rows, params ReadOnlySpan<LinearTarget> targets) => Run(rows, LinearEpilogue.None, default, targets);

    /// <summary>residual += scale * (weights x rows + bias); the target's own results are scratch.</summary>
    public void RunInto(NativeView residual, float scale, in LinearRows rows, LinearTarget target)
    {
        _residualScale = scale;
        Run(rows, LinearEpilogue.Residual, residual, [target]);
    }

    /// <summary>gate = kind(gate weights x rows) * (up weights x rows).</summary>
    public void RunGated(GateKind kind, in LinearRows rows, LinearTarget gate, LinearTarget up)
    {
        _gate = kind;
        Run(rows, LinearEpilogue.Gated, default, [gate, up]);
    }

    /// <summary>results = kind(weights x rows + bias).</summary>
    public void RunActivated(GateKind kind, in LinearRows rows, LinearTarget target)
    {
        _gate = kind;
        Run(rows, LinearEpilogue.Activated, default, [target]);
    }

    public override void Execute(int item, int worker)
    {
        var target = 0;
        while (item >= _firstItems[target + 1])
            target++;
        var firstRow = (item - _firstItems[target]) * _itemRows;
        Multiply(_targets[target], firstRow);
        if (_epilogue == LinearEpilogue.Gated)
            Multiply(_targets[1], firstRow);
        var rowCount = Math.Min(_itemRows, _targets[target].Weights.Rows - firstRow);
        for (var row = 0; row < _batchRows && _epilogue != LinearEpilogue.None; row++)
            Finish(target, row, firstRow, rowCount);
    }

    private void Run(in LinearRows rows, LinearEpilogue epilogue, NativeView residual, ReadOnlySpan<LinearTarget> targets)
    {
        (_batchRows, _epilogue, _residual) = (rows.Count, epilogue, residual);
        targets.CopyTo(_targets);
        input.Prepare(pool, rows, targets);
        // A gated pair is one target with two matrices: each item does the same rows of both.
        _targetCount = epilogue == LinearEpilogue.Gated ? 1 : targets.Length;
        var outputs = 0;
        for (var i = 0; i < _targetCount; i++)
            outputs += _targets[i].Weights.Rows;
        var share = outputs / (pool.WorkerCount * ItemsPerWorker);
        _itemRows = Math.Clamp((share + ItemRowStep - 1) / ItemRowStep * ItemRowStep, ItemRowStep, ItemRowLimit);
        for (var i = 0; i < _targetCount; i++)
            _firstItems[i + 1] = _firstItems[i] + ((_targets[i].Weights.Rows + _itemRows - 1) / _itemRows);
        pool.Run(this, _firstItems[_targetCount]);
    }

    private void Multiply(in LinearTarget target, int firstRow)
    {
        var weights = target.Weights;
        var rowCount = Math.Min(_itemRows, weights.Rows - firstRow);
        var prepared = input.Prepared(Activations.KindOf(weights, _batchRows));
        var results = target.Results.Span<float>(0, _batchRows * weights.Rows);
        MatrixProduct.Multiply(weights, firstRow, rowCount, prepared, _batchRows, results, weights.Rows);
        if (target.Bias is null)
            return;
        for (var row = 0; row < _batchRows; row++)
            VectorMath.Add(target.Bias.AsSpan(firstRow, rowCount), results.Slice((row * weights.Rows) + firstRow, rowCount));
    }

    private void Finish(int target, int row, int firstRow, int rowCount)
    {
        var stride = _targets[target].Weights.Rows;
        var offset = (((long)row * stride) + firstRow) * sizeof(float);
        var results = _targets[target].Results.Span<float>(offset, rowCount);
        if (_epilogue == LinearEpilogue.Gated && _gate == GateKind.Silu)
            SwiGlu.Apply(results, _targets[1].Results.Span<float>(offset, rowCount), results);
        else if (_epilogue == LinearEpilogue.Gated)
            GeGlu.Apply(results, _targets[1].Results.Span<float>(offset, rowCount), results);
        else if (_epilogue == LinearEpilogue.Activated && _gate == GateKind.PlainGelu)
            Gelu.Apply(results);
        else if (_epilogue == LinearEpilogue.Activated)
            Relu.Apply(results);
        else
            VectorMath.AddScaled(_residualScale, results, _residual.Span<float>(offset, rowCount));
    }
}

/// <summary>What a <see cref="LinearProduct"/> does with its results while they are warm.</summary>
internal enum LinearEpilogue
{
    None,

    /// <summary>Adds them to the residual stream.</summary>
    Residual,

    /// <summary>Combines the first two targets by SwiGLU or GeGLU.</summary>
    Gated,

    /// <summary>Passes each through an activation.</summary>
    Activated,
}

/// <summary>The input of a group of matrix products.</summary>
/// <param name="Values">[count, columns] of float.</param>
/// <param name="Norm">[columns]: the weights of a norm that comes first, or none.</param>
internal readonly record struct LinearRows(NativeView Values, int Count, int Columns, float[]? Norm);

/// <summary>A matrix and where its products go.</summary>
/// <param name="Weights">[outputs, inputs]</param>
/// <param name="Bias">[outputs] or none.</param>
/// <param name="Results">[batch rows, outputs] of float.</param>
internal readonly record struct LinearTarget(WeightMatrix Weights, float[]? Bias, NativeView Results);
