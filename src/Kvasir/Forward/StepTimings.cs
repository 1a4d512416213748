namespace Kvasir;

/// <summary>
/// Where the time of one step went, or of several added up; in milliseconds. What is in none of the parts is the embedding, scheduling and sampling.
/// </summary>
/// <param name="Rows">Tokens computed.</param>
/// <param name="LinearMs">In matrix products, with the norms and quantising before them and the activation functions behind.</param>
/// <param name="AttentionMs">In rotating, storing and attending, over all layers, without <paramref name="SelectionMs"/> and <see cref="AuditMs"/>.</param>
/// <param name="SelectionMs">In choosing which keys are read; 0 where all are.</param>
/// <param name="TotalMs">Of the whole.</param>
/// <param name="RowsRead">Keys and values that generated tokens attended to, over all layers and KV heads.</param>
/// <param name="RowsInSight">Those that they would have under dense attention.</param>
public readonly record struct StepTimings(int Rows, double LinearMs, double AttentionMs, double SelectionMs, double TotalMs, long RowsRead, long RowsInSight)
{
    /// <summary>
    /// In computing a sample of sparse attention densely as well, as if workers shared it equally: waiting for
    /// one that had more is attention. 0 without an audit.
    /// </summary>
    public double AuditMs { get; init; }

    /// <summary>In building indexes, behind the step's tokens. 0 when none was to be built.</summary>
    public double IndexMs { get; init; }

    /// <summary>Keys read of those in sight; 1 where nothing was generated.</summary>
    public double KeysReadShare => RowsInSight == 0 ? 1 : (double)RowsRead / RowsInSight;

    /// <summary>Both together.</summary>
    public static StepTimings operator +(StepTimings left, StepTimings right) => new(
        left.Rows + right.Rows, left.LinearMs + right.LinearMs, left.AttentionMs + right.AttentionMs,
        left.SelectionMs + right.SelectionMs, left.TotalMs + right.TotalMs,
        left.RowsRead + right.RowsRead, left.RowsInSight + right.RowsInSight)
    { AuditMs = left.AuditMs + right.AuditMs, IndexMs = left.IndexMs + right.IndexMs };
}
