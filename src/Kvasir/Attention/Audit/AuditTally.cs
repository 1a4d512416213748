using Kvasir.Attention.Heads;

namespace Kvasir.Attention.Audit;

/// <summary>
/// What audits of one KV head, over all layers of a sequence, found: sums, and a histogram of errors whose bins are 5 % wide, so that a
/// quantile is right within 2.5 %. Of fixed size; one worker at a time adds.
/// </summary>
internal sealed class AuditTally(int layerCount)
{
    private const double LeastError = 1e-6;
    private const double BinRatio = 1.05;

    // From the least error to 100: beyond it, errors share the last bin. Bin 0 holds those below the least.
    private const int BinCount = 380;
    private static readonly double LogBinRatio = Math.Log(BinRatio);
    private const int MassBinCount = 1000;
    private readonly long[] _bins = new long[BinCount];
    private readonly long[] _massBins = new long[MassBinCount + 1];
    private readonly double[] _layerErrors = new double[layerCount];
    private readonly long[] _layerQueries = new long[layerCount];
    private double _error;
    private double _mass;

    /// <summary>Times that the KV head was audited.</summary>
    public long Heads { get; private set; }

    /// <summary>Query heads among them.</summary>
    public long Queries { get; private set; }

    /// <summary>Rows that the KV head read, for all query heads together.</summary>
    public long RowsRead { get; private set; }

    /// <summary>Rows that query heads used, each counted by itself.</summary>
    public long RowsUsed { get; private set; }

    /// <summary>Rows in sight of the KV head.</summary>
    public long RowsInSight { get; private set; }

    /// <summary>Rows in sight of query heads, each counted by itself.</summary>
    public long RowsUsable { get; private set; }

    /// <summary>Of the clock, that auditing took.</summary>
    public long Ticks { get; set; }

    /// <summary>The mean over query heads.</summary>
    public double MeanError => Queries == 0 ? 0 : _error / Queries;

    /// <summary>The largest of a query head.</summary>
    public double LargestError { get; private set; }

    /// <summary>The mean over query heads.</summary>
    public double MeanMass => Queries == 0 ? 1 : _mass / Queries;

    public void Add(int layer, in ComparedHead comparison)
    {
        Heads++;
        RowsRead += comparison.RowsRead;
        RowsInSight += comparison.RowsInSight;
        for (var head = 0; head < comparison.Errors.Length; head++)
        {
            var error = comparison.Errors[head];
            Queries++;
            RowsUsed += comparison.RowsUsed[head];
            RowsUsable += comparison.RowsInSight;
            _error += error;
            _mass += comparison.Masses[head];
            _layerErrors[layer] += error;
            _layerQueries[layer]++;
            _bins[Bin(error)]++;
            _massBins[(int)(Math.Clamp(comparison.Masses[head], 0, 1) * MassBinCount)]++;
            LargestError = Math.Max(LargestError, error);
        }
    }

    public void Add(AuditTally other)
    {
        Heads += other.Heads;
        Queries += other.Queries;
        RowsRead += other.RowsRead;
        RowsUsed += other.RowsUsed;
        RowsInSight += other.RowsInSight;
        RowsUsable += other.RowsUsable;
        Ticks += other.Ticks;
        _error += other._error;
        _mass += other._mass;
        for (var layer = 0; layer < layerCount; layer++)
        {
            _layerErrors[layer] += other._layerErrors[layer];
            _layerQueries[layer] += other._layerQueries[layer];
        }

        for (var bin = 0; bin < BinCount; bin++)
            _bins[bin] += other._bins[bin];
        for (var bin = 0; bin <= MassBinCount; bin++)
            _massBins[bin] += other._massBins[bin];
        LargestError = Math.Max(LargestError, other.LargestError);
    }

    /// <summary>The error that a share of the query heads does not exceed; 0 for one below 1e-6.</summary>
    public double Quantile(double share)
    {
        var below = 0L;
        for (var bin = 0; bin < BinCount; bin++)
        {
            below += _bins[bin];
            if (below >= share * Queries && below > 0)
                return bin == 0 ? 0 : LeastError * Math.Exp((bin - 0.5) * LogBinRatio);
        }

        return 0;
    }

    /// <summary>The mass that a share of the query heads does not exceed, within 0.001 below it; 1 where nothing was audited.</summary>
    public double MassQuantile(double share)
    {
        var below = 0L;
        for (var bin = 0; bin <= MassBinCount; bin++)
        {
            below += _massBins[bin];
            if (below >= share * Queries && below > 0)
                return (double)bin / MassBinCount;
        }

        return 1;
    }

    /// <summary>The layer with the largest mean error, and that error; none where nothing was audited.</summary>
    public (int? Layer, double Error) WorstLayer()
    {
        (int? Layer, double Error) worst = (null, 0);
        for (var layer = 0; layer < layerCount; layer++)
        {
            var error = _layerQueries[layer] == 0 ? 0 : _layerErrors[layer] / _layerQueries[layer];
            if (_layerQueries[layer] > 0 && (worst.Layer is null || error > worst.Error))
                worst = (layer, error);
        }

        return worst;
    }

    // What is not a number is beyond every bin.
    private static int Bin(float error) =>
        error < LeastError ? 0 : error < 100 ? Math.Min(BinCount - 1, 1 + (int)(Math.Log(error / LeastError) / LogBinRatio)) : BinCount - 1;
}
