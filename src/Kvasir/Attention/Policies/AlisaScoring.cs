namespace Kvasir.Attention.Policies;

/// <summary>
/// What a row that was not read counts for in the sum of attention. The paper leaves it open (section IV, algorithm 1 takes "previous attention weights" of all
/// rows): where it counts for nothing, a row that was left out for a whole window has a sum of 0 and cannot come back.
/// </summary>
internal enum AlisaScoring
{
    /// <summary>Nothing, but for every so many steps, at which all keys are scored.</summary>
    Probe,

    /// <summary>Nothing: a row that is not read for a whole window never comes back.</summary>
    Literal,

    /// <summary>What it would have got: all keys are scored at every step, for the sum only.</summary>
    Dense,
}
