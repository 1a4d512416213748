using System.Diagnostics;

namespace Kvasir.Evaluation.LabelFree;

/// <summary>What dense attention predicts behind a prompt, token by token; filled by watching its answer.</summary>
/// <param name="keepsLogits">Whether divergences from it are wanted.</param>
internal sealed class DenseAnswer(bool keepsLogits)
{
    private readonly List<int> _tokens = [];
    private readonly List<(float[] Logits, double Sum)> _kept = [];

    /// <summary>Most probable tokens: the answer, and behind it what ended it.</summary>
    public IReadOnlyList<int> Tokens => _tokens;

    /// <summary>Milliseconds that watching took, which are no part of a step.</summary>
    public double WatchMs { get; private set; }

    /// <summary>A <see cref="LogitsObserver"/>.</summary>
    public void Watch(int index, ReadOnlySpan<float> logits)
    {
        var start = Stopwatch.GetTimestamp();
        _tokens.Add(Math.Max(0, logits.IndexOf(SoftmaxLog.Largest(logits))));
        if (keepsLogits)
            _kept.Add((logits.ToArray(), SoftmaxLog.Sum(logits)));
        if (index > 0)
            WatchMs += Stopwatch.GetElapsedTime(start).TotalMilliseconds;
    }

    /// <summary>How far a policy's distribution is from that of token <paramref name="index"/>, nats; null where logits were not kept.</summary>
    public double? Divergence(int index, ReadOnlySpan<float> logits) =>
        keepsLogits ? SoftmaxLog.Divergence(_kept[index].Logits, _kept[index].Sum, logits) : null;
}
