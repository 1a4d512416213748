namespace Kvasir.Evaluation.LabelFree;

/// <summary>Softmax of logits in doubles, by its logarithm.</summary>
internal static class SoftmaxLog
{
    /// <summary>ln sum exp: what is taken from a logit to have its log-probability.</summary>
    public static double Sum(ReadOnlySpan<float> logits)
    {
        double max = Largest(logits);
        var sum = 0.0;
        foreach (var logit in logits)
            sum += Math.Exp(logit - max);
        return max + Math.Log(sum);
    }

    /// <summary>Kullback-Leibler divergence of <paramref name="q"/> from <paramref name="p"/>, nats.</summary>
    /// <param name="p">Logits.</param>
    /// <param name="q">Logits, as many.</param>
    /// <param name="pSum">As <see cref="Sum"/> of <paramref name="p"/>.</param>
    public static double Divergence(ReadOnlySpan<float> p, double pSum, ReadOnlySpan<float> q)
    {
        var (qSum, divergence) = (Sum(q), 0.0);
        for (var i = 0; i < p.Length; i++)
        {
            var logP = p[i] - pSum;
            var share = Math.Exp(logP);
            // What cannot be counts nothing, however unlikely q makes it; what is no number is left to be seen.
            if (share != 0)
                divergence += share * (logP - (q[i] - qSum));
        }

        // Rounding may leave two equal distributions a little below 0.
        return Math.Max(0, divergence);
    }

    /// <summary>NaN where there is one.</summary>
    public static float Largest(ReadOnlySpan<float> logits)
    {
        var largest = logits[0];
        foreach (var logit in logits)
            largest = MathF.Max(largest, logit);
        return largest;
    }
}
