namespace Kvasir.Kernels.Matrix.Amx;

/// <summary>Rows of a prepared batch and the calls that multiply them: whole groups by one call, then the rows left over.</summary>
/// <param name="activations">The whole batch.</param>
/// <param name="columns">Of an activation row.</param>
/// <param name="batch">Rows of the whole batch.</param>
/// <param name="first">The first of these rows: a multiple of 32.</param>
/// <param name="count">At least 1; a multiple of 32 unless the batch ends there.</param>
internal readonly unsafe struct AmxGroups(ActivationKind kind, byte* activations, int columns, int batch, int first, int count)
{
    private const int GroupRows = AmxActivations.GroupRows;

    /// <summary>results[b, r] = sums[b, r] + the sum over the columns of weights[r, c] * x[b, c], for thirty-two rows of weights.</summary>
    /// <param name="weights">See <see cref="Bf16Pairs"/>.</param>
    /// <param name="part">Columns, within a part of the activations.</param>
    /// <param name="sums">Of the first row; null for zeros.</param>
    /// <param name="results">Of the first row; may be the sums.</param>
    public void Multiply(byte* weights, (int First, int Count) part, AmxRows sums, AmxRows results)
    {
        var whole = count / GroupRows * GroupRows;
        if (whole > 0)
            Call(weights, part, (0, GroupRows), whole / GroupRows, sums, results);
        if (whole < count)
            Call(weights, part, (whole, count - whole), 1, sums, results);
    }

    private void Call(byte* weights, (int First, int Count) part, (int First, int Count) rows, int groups, AmxRows sums, AmxRows results)
    {
        var parts = AmxActivations.Parts(kind);
        var arguments = new AmxArguments
        {
            Weights = weights,
            Activations = activations + AmxActivations.Offset(kind, part.First, columns, first + rows.First, batch),
            GroupBytes = (long)GroupRows * part.Count * sizeof(ushort) * parts,
            Steps = part.Count / AmxActivations.StepColumns,
            Groups = groups,
            Sums = sums.Row(rows.First),
            SumStrideBytes = sums.StrideBytes,
            Results = results.Row(rows.First),
            ResultStrideBytes = results.StrideBytes,
        };
        ((delegate* unmanaged<AmxArguments*, void>)AmxCode.Kernels(parts).Address(rows.Count))(&arguments);
    }
}

/// <summary>Where the floats of a batch lie: a row each, equally far apart; or nowhere.</summary>
internal readonly unsafe struct AmxRows(float* first, int stride)
{
    public long StrideBytes => (long)stride * sizeof(float);

    public float* Row(int row) => first is null ? null : first + (long)row * stride;
}
