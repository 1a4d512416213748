using System.Numerics;

namespace Kvasir.Requests.Scheduling;

/// <summary>
/// How many rows of prompts a step may have while others decode: as many as take the time that is given, by what rows at such a depth and steps without any
/// took lately. At least 64, for matrix products pay from there and a prompt has to end, and a multiple of 32.
/// </summary>
/// <param name="stepMs">How long a step may take.</param>
internal sealed class PromptBudget(double stepMs)
{
    public const int LeastRows = 64;
    public const int UnitRows = 32;
    private const double NewShare = 0.25;

    // Mean time of a row, by the logarithm of its depth.
    private readonly double[] _rowMs = NewMeans();
    private double _decodeMs = double.NaN;

    /// <summary>Rows beside those that decode.</summary>
    /// <param name="depth">Rows that they attend to.</param>
    /// <param name="most">What there is place for; less than 64 rows where less is.</param>
    public int Rows(int depth, int most)
    {
        var rowMs = RowMs(depth);
        var rows = double.IsNaN(rowMs) ? LeastRows : (stepMs - (double.IsNaN(_decodeMs) ? 0 : _decodeMs)) / rowMs;
        return Math.Min(most, (int)Math.Clamp(rows, LeastRows, most + LeastRows) / UnitRows * UnitRows);
    }

    /// <summary>The mean time of a row at a depth, or at the nearest that is known; NaN while none is.</summary>
    public double RowMs(int depth)
    {
        var place = PlaceOf(depth);
        for (var distance = 0; distance < _rowMs.Length; distance++)
        {
            if (place - distance >= 0 && !double.IsNaN(_rowMs[place - distance]))
                return _rowMs[place - distance];
            if (place + distance < _rowMs.Length && !double.IsNaN(_rowMs[place + distance]))
                return _rowMs[place + distance];
        }

        return double.NaN;
    }

    /// <summary>Learns from a step.</summary>
    /// <param name="decodeRows">Rows of those that decode, candidates among them.</param>
    /// <param name="promptRows">Fewer than 32 tell nothing: reading the weights costs more.</param>
    /// <param name="depth">Their mean.</param>
    public void Observe(int decodeRows, int promptRows, int depth, double ms)
    {
        if (promptRows == 0)
            Add(ref _decodeMs, ms);
        else if (promptRows >= UnitRows)
            Add(ref _rowMs[PlaceOf(depth)], Math.Max(0, ms - (decodeRows == 0 || double.IsNaN(_decodeMs) ? 0 : _decodeMs)) / promptRows);
    }

    private static double[] NewMeans()
    {
        var means = new double[24];
        Array.Fill(means, double.NaN);
        return means;
    }

    private static int PlaceOf(int depth) => Math.Clamp(BitOperations.Log2((uint)Math.Max(1, depth)) - 8, 0, 23);

    private static void Add(ref double mean, double value) => mean = double.IsNaN(mean) ? value : mean + (NewShare * (value - mean));
}
