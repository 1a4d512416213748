namespace Kvasir.Attention.Indexes;

/// <summary>
/// How the attention mass of blocks that were not read is guessed from those that were: PSA (arXiv 2503.00392) stops reading when it is small.
/// </summary>
internal enum TailEstimate
{
    /// <summary>As much each as the mean of the last few read: errs on the safe side.</summary>
    LastMean,

    /// <summary>As much each as the smallest read, which the paper uses: too little when the ranking is poor.</summary>
    MinTimesLeft,

    /// <summary>Not guessed: some are drawn by chance, as many as an error demands, and stand for all.</summary>
    Sampled,

    /// <summary>What a straight line of log mass over score, through the last 64 read, says of the score of each.</summary>
    Fit,
}
