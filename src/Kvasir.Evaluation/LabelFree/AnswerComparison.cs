using System.Diagnostics;

namespace Kvasir.Evaluation.LabelFree;

/// <summary>
/// A policy's predictions while dense attention's answer is fed under it. The prompt's last token is compared only where the policy computed it.
/// </summary>
/// <param name="questionTokens">Of the prompt's tokens, how many are fed under the policy.</param>
internal sealed class AnswerComparison(DenseAnswer dense, int questionTokens)
{
    private int _compared;
    private int _equal;
    private double? _divergence;

    /// <summary>Whether dense attention's token always came first.</summary>
    public bool IsEqual => _equal == _compared;

    /// <summary>The share of tokens where it did; 1 where there was nothing to compare.</summary>
    public double Score => _compared == 0 ? 1 : (double)_equal / _compared;

    /// <summary>Nats a token; null where it was not measured.</summary>
    public double? Divergence => _divergence / _compared;

    /// <summary>Milliseconds that watching took, which are no part of a step.</summary>
    public double WatchMs { get; private set; }

    /// <summary>A <see cref="LogitsObserver"/>.</summary>
    /// <exception cref="KvasirException">The policy rules out a token that dense attention does not, or either is not finite.</exception>
    public void Watch(int index, ReadOnlySpan<float> logits)
    {
        var answerIndex = index - questionTokens;
        if (index == 0 || answerIndex < 0 || answerIndex >= dense.Tokens.Count)
            return;
        var start = Stopwatch.GetTimestamp();
        // A draw is no difference.
        _equal += logits[dense.Tokens[answerIndex]] >= SoftmaxLog.Largest(logits) ? 1 : 0;
        _compared++;
        if (dense.Divergence(answerIndex, logits) is { } divergence)
        {
            if (!double.IsFinite(divergence))
                throw new KvasirException(KvasirError.NotFinite, $"token {answerIndex} of the answer: the divergence from dense attention is not finite");
            _divergence = (_divergence ?? 0) + divergence;
        }

        WatchMs += Stopwatch.GetElapsedTime(start).TotalMilliseconds;
    }
}
