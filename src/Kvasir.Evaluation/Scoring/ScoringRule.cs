namespace Kvasir.Evaluation.Scoring;

/// <summary>How an answer is compared with the expected strings.</summary>
public enum ScoringRule
{
    /// <summary>The share of the expected strings that the answer contains, whatever the case (RULER's string_match_all).</summary>
    ContainsAll,

    /// <summary>1 where the answer contains one of the expected strings at least, whatever the case (RULER's string_match_part).</summary>
    ContainsAny,

    /// <summary>Harmonic mean of precision and recall of the answer's words, of the best expected string (SQuAD, LongBench).</summary>
    WordF1,

    /// <summary>Harmonic mean of precision and recall of the longest common subsequence of words, of the best expected string (ROUGE-L, LongBench).</summary>
    LongestSequence,

    /// <summary>As <see cref="LongestSequence"/>, over the characters of the answer's first line that is code (LongBench).</summary>
    FirstLine,

    /// <summary>The share of the numbers in the answer that are the expected one, of the best expected string (LongBench).</summary>
    Numbers,
}
