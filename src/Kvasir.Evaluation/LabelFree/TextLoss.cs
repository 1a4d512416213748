using System.Diagnostics;

namespace Kvasir.Evaluation.LabelFree;

/// <summary>How well a model predicts tokens that it is fed.</summary>
/// <param name="targets">The token behind each that is fed.</param>
internal sealed class TextLoss(IReadOnlyList<int> targets)
{
    private double _sum;
    private int _first;

    /// <summary>Negative log-likelihood, nats a token.</summary>
    public double Loss => _sum / targets.Count;

    /// <summary>The share of tokens that were the most probable ones.</summary>
    public double Score => (double)_first / targets.Count;

    /// <summary>Milliseconds that watching took, which are no part of a step.</summary>
    public double WatchMs { get; private set; }

    /// <summary>A <see cref="LogitsObserver"/>; the logits of the dense part predict a token that is fed.</summary>
    /// <exception cref="KvasirException">The model says that the next token of the text cannot be.</exception>
    public void Watch(int index, ReadOnlySpan<float> logits)
    {
        if (index == 0)
            return;
        var start = Stopwatch.GetTimestamp();
        var target = targets[index - 1];
        var loss = SoftmaxLog.Sum(logits) - logits[target];
        if (!double.IsFinite(loss))
            throw new KvasirException(
                KvasirError.NotFinite,
                $"token {target}, {index} behind the dense part, has the logit {logits[target]}: its loss is not finite, and there is no perplexity");
        _sum += loss;
        _first += logits[target] >= SoftmaxLog.Largest(logits) ? 1 : 0;
        WatchMs += Stopwatch.GetElapsedTime(start).TotalMilliseconds;
    }
}
