namespace Kvasir.Requests.Guessing;

/// <summary>
/// How many tokens a draft guesses at a time: as many as give most tokens for the time that they take, by how often a guess has been right and what steps have
/// cost. With a share a of right guesses, n guesses give (1 - a^(n+1)) / (1 - a) tokens in a step that verifies n + 1 rows. None where that does not pay: then
/// it is tried again after some tokens, and after twice as many each time that it still does not.
/// </summary>
internal sealed class DraftLength
{
    // What is right is forgotten as texts change: a round counts for half after a dozen others.
    private const double Memory = 0.94;

    // Where nothing is known, three guesses of four are right, as surely as two of them would tell.
    private const double ExpectedShare = 0.75;
    private const double ExpectedWeight = 2;

    // What is to be gained at least: figures of steps are off by some percent.
    private const double LeastGain = 1.02;
    private const int ProbeLength = 2;
    private const int FirstPause = 24;
    private const int LongestPause = 1024;
    private double _right = ExpectedShare * ExpectedWeight;
    private double _tested = ExpectedWeight;
    private int _pause = FirstPause;
    private int _left;

    /// <summary>The share of guesses that were right, of those that were behind right ones.</summary>
    public double Share => _right / _tested;

    /// <summary>How many guesses to make now.</summary>
    /// <param name="most">That may be made.</param>
    /// <param name="tokens">Since the last question.</param>
    public int Choose(DraftCosts costs, int most, int tokens)
    {
        // A step without guesses comes first, and tells what it costs.
        if (most <= 0 || double.IsNaN(costs.StepMs))
            return 0;
        if (double.IsNaN(costs.DraftMs))
            return Math.Min(most, ProbeLength);
        var best = Best(costs, most);
        if (best > 0)
        {
            (_pause, _left) = (FirstPause, 0);
            return best;
        }

        // It does not pay since this question, or since some before.
        if (_left == 0)
        {
            _left = _pause;
            _pause = Math.Min(LongestPause, 2 * _pause);
            return 0;
        }

        _left -= Math.Min(_left, Math.Max(1, tokens));
        return _left == 0 ? Math.Min(most, ProbeLength) : 0;
    }

    /// <summary>Says how many guesses of a round were right.</summary>
    public void Observe(int guessed, int right)
    {
        if (guessed == 0)
            return;
        // The first that was wrong was tested too, and none behind it.
        var tested = Math.Min(guessed, right + 1);
        (_right, _tested) = ((_right * Memory) + right, (_tested * Memory) + tested);
    }

    private int Best(DraftCosts costs, int most)
    {
        var (best, rate) = (0, LeastGain / costs.StepMs);
        var (tokens, share) = (1.0, 1.0);
        for (var count = 1; count <= most; count++)
        {
            share *= Share;
            tokens += share;
            var own = tokens / (costs.StepMs + (count * (costs.DraftMs + costs.RowMs)));
            if (own > rate)
                (best, rate) = (count, own);
        }

        return best;
    }
}
