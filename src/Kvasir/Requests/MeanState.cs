namespace Kvasir;

/// <summary>What a text is embedded as: the mean of its tokens' hidden states, of length 1.</summary>
/// <param name="width">Of a hidden state.</param>
public sealed class MeanState(int width)
{
    private readonly double[] _sum = new double[width];

    /// <summary>Adds a token's state: a <see cref="HiddenObserver"/>.</summary>
    public void Add(int position, ReadOnlySpan<float> state)
    {
        if (position == 0)
            Array.Clear(_sum);
        for (var i = 0; i < _sum.Length; i++)
            _sum[i] += state[i];
    }

    /// <summary>[width]. The length of a sum says nothing, so that it has not to be divided first.</summary>
    public float[] Unit()
    {
        var length = 0.0;
        foreach (var value in _sum)
            length += value * value;
        var scale = length > 0 ? 1 / Math.Sqrt(length) : 0;
        return Array.ConvertAll(_sum, value => (float)(value * scale));
    }
}

/// <summary>Told the hidden state of each token that a sequence computes, on the engine's thread; it may not throw.</summary>
/// <param name="position">Of the token, ascending; from 0 again where the sequence gave its memory back and is computed again.</param>
/// <param name="state">[width], behind the last norm: what logits are made of. Gone after the call.</param>
public delegate void HiddenObserver(int position, ReadOnlySpan<float> state);
