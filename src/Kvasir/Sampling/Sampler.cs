using Kvasir.Ground;
using Kvasir.Kernels.Elementwise;
using Kvasir.Kernels.Hashing;
using Kvasir.Structure;

namespace Kvasir.Sampling;

/// <summary>
/// Draws the tokens of one sequence from its logits. The draw for the n-th token depends only on the seed, n and the logits, so a
/// sequence gives the same answer alone, in a batch, or computed again after preemption.
/// </summary>
internal sealed class Sampler
{
    // Logits that differ at all differ by 2^-24 of the largest or more. Where the largest, divided by the temperature, is above this, every other one is
    // then so far below it that e to its distance is 0 in floats: the draw is certain.
    private const float CertainFrom = 1u << 31;
    private const float Ban = -100;

    private readonly SamplingOptions _options;
    private readonly int? _topLogprobs;
    private readonly float _sharpness;
    private readonly int[] _answerCounts;
    private readonly int[] _candidates;
    private readonly float[] _keys;
    private readonly float[] _probabilities;
    private readonly float[] _raw;
    private readonly KeyValuePair<int, float>[] _bias;

    /// <param name="vocabularySize">Logits per row.</param>
    /// <param name="suppressed">Tokens that are never drawn, whatever bias is asked for.</param>
    public Sampler(SamplingOptions options, int? topLogprobs, int vocabularySize, IReadOnlyList<int>? suppressed = null)
    {
        (_options, _topLogprobs) = (options, topLogprobs);
        Seed = options.Seed ?? (ulong)Random.Shared.NextInt64();
        _answerCounts = options.HasPenalties ? new int[vocabularySize] : [];
        // Infinite for a temperature of 0, and for those that are so near to it.
        _sharpness = 1 / options.Temperature;
        var draws = float.IsFinite(_sharpness);
        _candidates = draws ? new int[vocabularySize] : [];
        _keys = draws ? new float[vocabularySize] : [];
        _probabilities = draws ? new float[vocabularySize] : [];
        _raw = topLogprobs is not null ? new float[vocabularySize] : [];
        // A vocabulary may have more tokens than there are logits.
        var banned = (suppressed ?? []).Where(token => token < vocabularySize);
        _bias = [.. options.LogitBias, .. banned.Select(static token => KeyValuePair.Create(token, Ban))];
    }

    public ulong Seed { get; }

    /// <summary>Picks the next token.</summary>
    /// <param name="logits">[vocabulary]; changed by bias, penalties and what is allowed.</param>
    /// <param name="largest">Of them, as <see cref="LogitRow.Largest"/> found it: finite.</param>
    /// <param name="tokens">Prompt and answer so far.</param>
    /// <param name="promptCount">Tokens of the prompt.</param>
    /// <param name="allowed">The only ones that may be drawn; null for all.</param>
    /// <exception cref="KvasirException">Bias, penalties and what is allowed leave no token that could be drawn.</exception>
    public SampledToken Pick(Span<float> logits, float largest, ReadOnlySpan<int> tokens, int promptCount, TokenMask? allowed = null)
    {
        var (logSum, top) = (0f, (TokenLogprob[]?)null);
        if (_topLogprobs is { } wanted)
        {
            // Log-probabilities are the model's own, so they are taken before anything shifts the logits.
            logits.CopyTo(_raw);
            logSum = Logprobs.LogSumExp(logits, largest);
            top = wanted > 0 ? Logprobs.MostProbable(logits, logSum, wanted) : null;
        }

        if (_bias.Length > 0 || _options.HasPenalties || allowed is not null)
            largest = Shift(logits, tokens, promptCount, allowed);
        var token = Choose(logits, largest, tokens.Length - promptCount);
        return new SampledToken(token, _topLogprobs is null ? float.NaN : _raw[token] - logSum, top);
    }

    /// <summary>The token that would be picked from these logits, of which nobody is told how likely it was.</summary>
    /// <inheritdoc cref="Pick"/>
    public int Guess(Span<float> logits, float largest, ReadOnlySpan<int> tokens, int promptCount, TokenMask? allowed)
    {
        if (_bias.Length > 0 || _options.HasPenalties || allowed is not null)
            largest = Shift(logits, tokens, promptCount, allowed);
        return Choose(logits, largest, tokens.Length - promptCount);
    }

    /// <returns>The largest logit that is left.</returns>
    private float Shift(Span<float> logits, ReadOnlySpan<int> tokens, int promptCount, TokenMask? allowed)
    {
        foreach (var (token, bias) in _bias)
            logits[token] = bias <= Ban ? float.NegativeInfinity : logits[token] + bias;
        if (_options.HasPenalties)
            Penalise(logits, tokens, promptCount);
        allowed?.Apply(logits);
        var largest = VectorMath.MaxOrNaN(logits);
        return float.IsFinite(largest) ? largest : throw new KvasirException(
            KvasirError.BadOption,
            $"{(allowed is null ? "logit bias and penalties leave" : $"logit bias, penalties and a constraint that allows {allowed.Count} tokens here leave")} "
                + $"no token that could be drawn: the largest of {logits.Length} logits is {LogitRow.Shown(largest)}");
    }

    private void Penalise(Span<float> logits, ReadOnlySpan<int> tokens, int promptCount)
    {
        var answer = tokens[promptCount..];
        foreach (var token in answer)
            _answerCounts[token]++;
        foreach (var token in answer)
        {
            if (_answerCounts[token] <= 0)
                continue;
            logits[token] -= (_options.FrequencyPenalty * _answerCounts[token]) + _options.PresencePenalty;
            _answerCounts[token] = 0;
        }

        if (_options.RepetitionPenalty == 1)
            return;
        var window = _options.RepetitionWindow == 0 ? tokens.Length : Math.Min(_options.RepetitionWindow, tokens.Length);
        foreach (var token in tokens[^window..])
        {
            // The counts are 0 here; they now mark tokens that were already divided.
            if (_answerCounts[token]++ == 0)
                logits[token] = logits[token] > 0 ? logits[token] / _options.RepetitionPenalty : logits[token] * _options.RepetitionPenalty;
        }

        foreach (var token in tokens[^window..])
            _answerCounts[token] = 0;
    }

    // The first among equals where it is certain.
    private int Choose(ReadOnlySpan<float> logits, float largest, int step)
    {
        var isCertain = _candidates.Length == 0 || MathF.Abs(largest) * _sharpness >= CertainFrom;
        return isCertain ? logits.IndexOf(largest) : Draw(logits, largest, step);
    }

    private int Draw(ReadOnlySpan<float> logits, float largest, int step)
    {
        var p = _probabilities.AsSpan();
        logits.CopyTo(p);
        VectorMath.Scale(p, _sharpness);
        var mass = Softmax.Exponentials(p, largest * _sharpness);
        var count = SelectCandidates(p, mass);
        var u = Uniform(Seed, step) * KeptMass(count);
        for (var i = 0; i < count; i++)
        {
            u -= _keys[i];
            if (u < 0)
                return _candidates[i];
        }

        // Rounding may leave a sliver beyond the last one.
        return _candidates[count - 1];
    }

    /// <summary>Leaves the surviving tokens in <see cref="_candidates"/>, most probable first, with their weights in <see cref="_keys"/>.</summary>
    private int SelectCandidates(ReadOnlySpan<float> p, float mass)
    {
        var limit = _options.TopK > 0 ? Math.Min(_options.TopK, p.Length) : p.Length;
        // With both filters, top-p counts the mass that top-k leaves; both need order only among the most probable.
        var count = CollectHead(p, limit, _options.TopK > 0 ? mass : mass * _options.TopP);
        var keys = _keys.AsSpan(0, count);
        var candidates = _candidates.AsSpan(0, count);
        keys.Sort(candidates);
        keys.Reverse();
        candidates.Reverse();
        count = Math.Min(count, limit);
        var kept = _options.TopK > 0 ? KeptMass(count) : mass;
        count = CutTopP(count, kept * _options.TopP);
        var least = _keys[0] * _options.MinP;
        while (count > 1 && _keys[count - 1] < least)
            count--;
        return count;
    }

    // Weights are relative to the largest, 1. Lowering a threshold until enough tokens, or enough mass, lie above it finds a set
    // that surely holds the wanted ones without sorting a vocabulary.
    private int CollectHead(ReadOnlySpan<float> p, int limit, float wantedMass)
    {
        for (var threshold = 1e-2f; ; threshold *= 1e-2f)
        {
            if (threshold < 1e-12f)
                threshold = 0;
            var (count, mass) = (0, 0f);
            for (var token = 0; token < p.Length; token++)
            {
                if (p[token] < threshold || p[token] == 0)
                    continue;
                (_keys[count], _candidates[count]) = (p[token], token);
                mass += p[token];
                count++;
            }

            if (threshold == 0 || count >= limit || mass >= wantedMass)
                return count;
        }
    }

    private int CutTopP(int count, float wantedMass)
    {
        if (_options.TopP >= 1)
            return count;
        var mass = 0f;
        for (var i = 0; i < count; i++)
        {
            mass += _keys[i];
            if (mass >= wantedMass)
                return i + 1;
        }

        return count;
    }

    private float KeptMass(int count)
    {
        var mass = 0f;
        foreach (var key in _keys.AsSpan(0, count))
            mass += key;
        return mass;
    }

    // Counter-based: no state to save when a sequence is preempted.
    private static float Uniform(ulong seed, int step)
    {
        return (CounterNoise.Word(seed, (ulong)step) >> 40) * (1f / (1 << 24));
    }
}

/// <summary>What a <see cref="Sampler"/> drew.</summary>
/// <param name="Token">The id.</param>
/// <param name="Logprob">Its log-probability under the model; NaN when not asked for.</param>
/// <param name="TopLogprobs">The most probable tokens, best first; null when not asked for.</param>
internal readonly record struct SampledToken(int Token, float Logprob, TokenLogprob[]? TopLogprobs);
