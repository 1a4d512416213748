namespace Kvasir.Cache.Slots;

/// <summary>
/// Whether reading ahead pays: where steps find much missing, and as long as most of what was foretold is wanted. Models differ in that, and random weights
/// foretell nothing; who was wrong for a few steps is asked again much later.
/// </summary>
internal sealed class AheadPace
{
    /// <summary>Pages missing in a layer of the last step, from which on a second ranking and product cost less than what they hide.</summary>
    public const int LeastMissing = 16;

    private const int TrialSteps = 6;
    private const int PauseSteps = 200;
    private const double LeastWanted = 0.5;
    private int _missing;
    private int _steps;
    private int _pause;
    private long _foretold;
    private long _unwanted;

    /// <summary>Takes what a step has come to.</summary>
    /// <param name="missing">Pages that it had to read.</param>
    /// <param name="foretold">Pages whose reading began since they were foretold.</param>
    /// <param name="unwanted">Those of them that nobody came for.</param>
    public void EndStep(int missing, int foretold, int unwanted)
    {
        (_missing, _pause) = (missing, Math.Max(0, _pause - 1));
        if (foretold == 0)
            return;
        (_steps, _foretold, _unwanted) = (_steps + 1, _foretold + foretold, _unwanted + unwanted);
        if (_steps < TrialSteps)
            return;
        if (_unwanted > (1 - LeastWanted) * _foretold)
            _pause = PauseSteps;
        (_steps, _foretold, _unwanted) = (0, 0, 0);
    }

    /// <param name="layerCount">Layers of a step.</param>
    public bool Pays(int layerCount) => _pause == 0 && _missing >= LeastMissing * layerCount;
}
