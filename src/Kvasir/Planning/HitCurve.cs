using Kvasir.Measurement;

namespace Kvasir.Planning;

/// <summary>Of the pages that a step uses, how many it finds in memory, by how many times a step's pages memory holds.</summary>
internal sealed class HitCurve
{
    private static readonly double[] Pools = [0.5, 1, 1.5, 2, 3, 5, 10];
    private readonly (double Pools, double Hits)[] _points;

    /// <param name="points">Ascending, the first at 0.</param>
    public HitCurve(params (double Pools, double Hits)[] points) => _points = points;

    /// <summary>
    /// The default order on traces of the bundled model under quest at a twentieth of 32k tokens of text, where 57% of a step's pages were the last step's.
    /// </summary>
    public static HitCurve OfTexts { get; } = new((0, 0), (1, 0.59), (2, 0.81), (3, 0.89), (5, 0.945), (10, 0.965), (100, 1));

    /// <summary>Steps that have nothing in common but pages that all use.</summary>
    public static HitCurve OfNoise { get; } = new((0, 0), (100, 0));

    /// <summary>The default order on a trace that somebody recorded.</summary>
    public static HitCurve Of(PageTrace trace)
    {
        var (replay, most) = (new TraceReplay(trace), 0.0);
        // A step finds no less in more memory, but for what the few that are drawn are.
        return new([(0, 0), .. Pools.Select(pools => (pools, most = Math.Max(most, replay.Hits(pools, PageEviction.Counted)))), (10 * Pools[^1], 1)]);
    }

    public double At(double pools)
    {
        for (var i = 1; i < _points.Length; i++)
        {
            var ((from, low), (to, high)) = (_points[i - 1], _points[i]);
            if (pools > to)
                continue;
            // What is missing falls with a power of memory, as traces have it; a straight line would be far above it where points are far apart.
            if (from > 0 && low < 1 && high < 1)
                return 1 - ((1 - low) * Math.Pow((1 - high) / (1 - low), Math.Log(pools / from) / Math.Log(to / from)));
            return low + ((high - low) * Math.Max(0, pools - from) / (to - from));
        }

        return _points[^1].Hits;
    }
}
