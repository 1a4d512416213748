using System.Numerics;

namespace Kvasir.Requests.Scheduling;

/// <summary>
/// How many rows of prompts a step may have while others decode: as many as take the time that is given, by what rows at such a depth and steps without any
/// took lately, and a multiple of 32. Where that are fewer than 64 it is 32, and 16 where even these would make a step half as long again: far into a long
/// prompt a row costs so much that 64, from which matrix products pay, would keep those who decode waiting for several times what a step may take.
/// </summary>
/// <param name="stepMs">How long a step may take.</param>
internal sealed class PromptBudget(double stepMs)
{
    public const int UnitRows = 32;
    public const int LeastRows = UnitRows / 2;

    // While nothing is known.
    private const int FirstRows = 64;
    private const double MostOver = 1.5;
    private const double NewShare = 0.25;

    // Mean time of a row, by the logarithm of its depth.
    private readonly double[] _rowMs = NewMeans();
    private double _decodeMs = double.NaN;

    /// <summary>Rows beside those that decode.</summary>
    /// <param name="depth">Rows that they attend to.</param>
    /// <param name="most">What there is place for; less than 16 rows where less is.</param>
    public int Rows(int depth, int most)
    {
        var (rowMs, decodeMs) = (RowMs(depth), double.IsNaN(_decodeMs) ? 0 : _decodeMs);
        var rows = double.IsNaN(rowMs) ? FirstRows : (stepMs - decodeMs) / rowMs;
        if (rows >= FirstRows)
            return Math.Min(most, (int)Math.Min(rows, most + FirstRows) / UnitRows * UnitRows);
        return Math.Min(most, decodeMs + (UnitRows * rowMs) <= MostOver * stepMs ? UnitRows : LeastRows);
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
    /// <param name="promptRows">Fewer than 16, or than 32 alone, tell nothing: reading the weights costs more.</param>
    /// <param name="depth">Their mean.</param>
    public void Observe(int decodeRows, int promptRows, int depth, double ms)
    {
        if (promptRows == 0)
            Add(ref _decodeMs, ms);
        else if (promptRows >= (decodeRows > 0 ? LeastRows : UnitRows))
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
