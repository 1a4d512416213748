namespace Kvasir.Sampling;

/// <summary>Natural logs of probabilities from a row of logits, as an observer is told them.</summary>
public static class Logprobs
{
    /// <summary>What is taken from a logit to make the log of its probability.</summary>
    /// <param name="largest">Of the logits: finite.</param>
    public static float LogSumExp(ReadOnlySpan<float> logits, float largest)
    {
        var sum = 0.0;
        foreach (var logit in logits)
            sum += Math.Exp(logit - largest);
        return largest + (float)Math.Log(sum);
    }

    /// <summary>The most probable tokens, best first. Fewer where fewer tokens can be: a logit of minus infinity has no logarithm of a probability.</summary>
    /// <param name="logSum">As <see cref="LogSumExp"/> gives it.</param>
    public static TokenLogprob[] MostProbable(ReadOnlySpan<float> logits, float logSum, int count)
    {
        var best = new PriorityQueue<int, float>(count + 1);
        for (var token = 0; token < logits.Length; token++)
        {
            if (float.IsNegativeInfinity(logits[token]))
                continue;
            if (best.Count < count)
                best.Enqueue(token, logits[token]);
            else if (best.TryPeek(out _, out var least) && logits[token] > least)
                best.DequeueEnqueue(token, logits[token]);
        }

        var result = new TokenLogprob[best.Count];
        for (var i = result.Length - 1; i >= 0; i--)
        {
            var token = best.Dequeue();
            result[i] = new TokenLogprob(token, logits[token] - logSum);
        }

        return result;
    }
}
