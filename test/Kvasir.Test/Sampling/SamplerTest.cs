using Kvasir.Ground;
using Kvasir.Sampling;

namespace Kvasir.Test.Sampling;

public sealed class SamplerTest
{
    private static readonly SamplingOptions Plain = new() { Temperature = 1, TopK = 0, TopP = 1, MinP = 0, Seed = 5 };

    [Fact]
    public void GreedyTakesTheFirstOfTheLargest() =>
        Assert.Equal(2, Pick(SamplingOptions.Greedy, [0, 1, 3, 3, 2]));

    // 1 / 1e-39 is infinite; at 1e-38 it is not, but a logit times it is; at 1e-20 only a large logit is.
    [Theory]
    [InlineData(1e-45f, 1)]
    [InlineData(1e-39f, 1)]
    [InlineData(1e-38f, 1)]
    [InlineData(1e-38f, -300)]
    [InlineData(1e-30f, 1)]
    [InlineData(1e-20f, 1e20f)]
    [InlineData(1e-9f, 30)]
    public void TemperaturesNearZeroAreGreedy(float temperature, float largest)
    {
        float[] logits = [largest, MathF.BitDecrement(largest), largest - 1, 2 * -MathF.Abs(largest), largest];
        for (ulong seed = 0; seed < 50; seed++)
            Assert.Equal(0, Pick(Plain with { Temperature = temperature, Seed = seed }, logits));
    }

    // However large they are beside what they differ by.
    [Fact]
    public void LogitsThatAreNearToEachOtherAreDrawnAtLowTemperatures() =>
        AssertFrequencies(Plain with { Temperature = 1e-3f }, [20, 19.999f, 19], Normalised([1, Math.Exp((19.999f - 20.0) / 1e-3), 0]));

    // Of 4000 draws with a chance of 0.4% some are of it, but once in ten million times.
    [Fact]
    public void TheUnlikelyAmongTheTopAreDrawnToo()
    {
        var sampler = new Sampler(Plain with { TopK = 3 }, null, 4);
        var drawn = Enumerable.Range(1, 4000).Select(step => sampler.Pick([0, -5.5f, -60, -5.5f], 0, new int[step], 1).Token).ToHashSet();
        Assert.Equal([0, 1, 3], drawn.Order());
    }

    [Fact]
    public void ATokenThatCannotBeIsNeitherDrawnNorListed()
    {
        float[] logits = [float.NegativeInfinity, MathF.Log(3), float.NegativeInfinity, MathF.Log(1)];
        AssertFrequencies(Plain, logits, [0, 0.75, 0, 0.25]);
        var sampled = new Sampler(Plain with { LogitBias = new Dictionary<int, float> { [0] = 100 } }, topLogprobs: 4, 4).Pick(logits.ToArray(), MathF.Log(3), [0], 1);
        Assert.Equal([1, 3], sampled.TopLogprobs!.Select(top => top.Token));
        Assert.Equal(Math.Log(0.75), sampled.TopLogprobs![0].Logprob, 1e-6);
        Assert.True(float.IsFinite(sampled.Logprob));
    }

    [Fact]
    public void BiasThatBansEveryTokenIsNamed()
    {
        var options = Plain with { LogitBias = new Dictionary<int, float> { [0] = -100, [1] = -100 } };
        var refusal = Assert.Throws<KvasirException>(() => Pick(options, [1, 2]));
        Assert.Contains("logit bias", refusal.Message, StringComparison.Ordinal);
        Assert.Contains("minus infinity", refusal.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(float.NaN, 1, "1 of 40", "token 17 has NaN")]
    [InlineData(float.PositiveInfinity, 1, "1 of 40", "token 17 has infinity")]
    [InlineData(float.NaN, 40, "40 of 40", "token 0 has NaN")]
    [InlineData(float.NegativeInfinity, 40, "40 of 40", "token 0 has minus infinity")]
    public void LogitsThatAreNoDistributionAreNamed(float value, int count, params string[] parts)
    {
        var logits = Enumerable.Range(0, 40).Select(i => (float)-i).ToArray();
        logits.AsSpan(count == 1 ? 17 : 0, count).Fill(value);
        var refusal = Assert.Throws<KvasirException>(() => LogitRow.Largest(logits, 3, 12));
        Assert.Equal(KvasirError.NotFinite, refusal.Error);
        Assert.All([.. parts, "step 3", "position 12"], part => Assert.Contains(part, refusal.Message, StringComparison.Ordinal));
    }

    [Fact]
    public void MinusInfinityBesideAFiniteLogitIsLegal()
    {
        var logits = Enumerable.Repeat(float.NegativeInfinity, 100).ToArray();
        logits[71] = -5;
        Assert.Equal(-5, LogitRow.Largest(logits, 0, 0));
    }

    [Fact]
    public void DrawsFollowTheSoftmax()
    {
        // Probabilities 0.1, 0.2, 0.3, 0.4 at temperature 1, checked to five standard deviations.
        float[] logits = [MathF.Log(1), MathF.Log(2), MathF.Log(3), MathF.Log(4)];
        AssertFrequencies(Plain, logits, [0.1, 0.2, 0.3, 0.4]);
    }

    [Fact]
    public void TemperatureSharpensAndFlattens()
    {
        float[] logits = [MathF.Log(1), MathF.Log(2), MathF.Log(4)];
        AssertFrequencies(Plain with { Temperature = 0.5f }, logits, [1 / 21.0, 4 / 21.0, 16 / 21.0]);
        AssertFrequencies(Plain with { Temperature = 2 }, logits, Normalised([1, Math.Sqrt(2), 2]));
    }

    [Fact]
    public void TopKKeepsTheMostProbable() =>
        AssertFrequencies(Plain with { TopK = 2 }, [0, MathF.Log(3), -1, MathF.Log(2)], [0, 0.6, 0, 0.4]);

    [Fact]
    public void TopPKeepsTheSmallestSetThatReachesIt()
    {
        float[] logits = [MathF.Log(5), MathF.Log(3), MathF.Log(2)];
        AssertFrequencies(Plain with { TopP = 0.5f }, logits, [1, 0, 0]);
        AssertFrequencies(Plain with { TopP = 0.51f }, logits, [5 / 8.0, 3 / 8.0, 0]);
        AssertFrequencies(Plain with { TopP = 0.81f }, logits, [0.5, 0.3, 0.2]);
    }

    [Fact]
    public void MinPIsRelativeToTheMostProbable() =>
        AssertFrequencies(Plain with { MinP = 0.5f }, [MathF.Log(4), MathF.Log(2), MathF.Log(1)], [2 / 3.0, 1 / 3.0, 0]);

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void FiltersOnALargeVocabularyAgreeWithAFullSort(int seed)
    {
        var random = new Random(seed);
        for (var round = 0; round < 30; round++)
        {
            var logits = Enumerable.Range(0, 5000).Select(_ => (float)(random.NextDouble() * random.Next(1, 25))).ToArray();
            var options = Plain with { TopK = random.Next(3) * 50, TopP = 0.3f + (0.7f * random.NextSingle()), Seed = (ulong)round };
            var allowed = Allowed(logits, options);
            for (var draw = 0; draw < 20; draw++)
            {
                var token = Pick(options with { Seed = (ulong)((round * 100) + draw) }, logits);
                Assert.True(allowed.Contains(token), $"seed {seed}, round {round}: token {token} is outside the {allowed.Count} allowed");
            }
        }
    }

    [Fact]
    public void RepetitionPenaltyDividesPositiveAndMultipliesNegativeOnce()
    {
        var options = SamplingOptions.Greedy with { RepetitionPenalty = 2, RepetitionWindow = 0 };
        Assert.Equal(1, Pick(options, [3, 2, -1], tokens: [0, 0, 0], promptCount: 1));
        Assert.Equal(1, Pick(options, [0.5f, 0.4f, -4], tokens: [0, 2], promptCount: 2));
        Assert.Equal(1, Pick(options, [-1, -1.5f, -4], tokens: [0, 2], promptCount: 2));
        // Outside the window nothing is divided.
        Assert.Equal(0, Pick(options with { RepetitionWindow = 1 }, [3, 2, 1], tokens: [0, 2], promptCount: 2));
    }

    [Fact]
    public void PresenceAndFrequencyLookAtTheAnswerOnly()
    {
        var presence = SamplingOptions.Greedy with { PresencePenalty = 1.5f };
        Assert.Equal(0, Pick(presence, [3, 2], tokens: [0], promptCount: 1));
        Assert.Equal(1, Pick(presence, [3, 2], tokens: [0, 0], promptCount: 1));
        var frequency = SamplingOptions.Greedy with { FrequencyPenalty = 0.4f };
        Assert.Equal(0, Pick(frequency, [3, 2], tokens: [1, 0, 0], promptCount: 1));
        Assert.Equal(1, Pick(frequency, [3, 2], tokens: [1, 0, 0, 0], promptCount: 1));
    }

    [Fact]
    public void LogitBiasMovesAndBans()
    {
        var up = SamplingOptions.Greedy with { LogitBias = new Dictionary<int, float> { [2] = 5 } };
        Assert.Equal(2, Pick(up, [3, 2, 1]));
        var ban = Plain with { LogitBias = new Dictionary<int, float> { [0] = -100 } };
        AssertFrequencies(ban, [50, 1, 1], [0, 0.5, 0.5]);
    }

    [Fact]
    public void LogprobsAreTheModelsOwn()
    {
        float[] logits = [MathF.Log(1), MathF.Log(2), MathF.Log(5)];
        var options = SamplingOptions.Greedy with { Temperature = 0, LogitBias = new Dictionary<int, float> { [0] = 10 } };
        var sampled = new Sampler(options, topLogprobs: 2, 3).Pick(logits.AsSpan(), logits.Max(), [0], 1);
        Assert.Equal(0, sampled.Token);
        Assert.Equal(Math.Log(1 / 8.0), sampled.Logprob, 1e-5);
        Assert.Equal([2, 1], sampled.TopLogprobs!.Select(top => top.Token));
        Assert.Equal(Math.Log(5 / 8.0), sampled.TopLogprobs![0].Logprob, 1e-5);
    }

    [Fact]
    public void TheSameSeedAndStepGiveTheSameDraw()
    {
        var logits = Enumerable.Range(0, 100).Select(i => MathF.Sin(i)).ToArray();
        for (var step = 1; step < 50; step++)
        {
            var tokens = new int[step];
            Assert.Equal(Pick(Plain, logits, tokens, 1), Pick(Plain, logits, tokens, 1));
        }

        var draws = Enumerable.Range(1, 50).Select(step => Pick(Plain, logits, new int[step], 1)).Distinct().Count();
        Assert.InRange(draws, 20, 50);
    }

    [Fact]
    public void PickingAllocatesNothing()
    {
        var options = Plain with { TopK = 40, TopP = 0.9f, RepetitionPenalty = 1.1f, PresencePenalty = 0.1f };
        var sampler = new Sampler(options, null, 2000);
        var logits = new float[2000];
        var tokens = new int[100];
        sampler.Pick(logits, 0, tokens, 50);
        var bytes = AllocatedBytes.Of(() =>
        {
            for (var i = 0; i < 10; i++)
                sampler.Pick(logits, 0, tokens, 50);
        });
        Assert.Equal(0, bytes);
    }

    [Theory]
    [InlineData("temperature")]
    [InlineData("top-p")]
    [InlineData("min-p")]
    [InlineData("repetition penalty")]
    [InlineData("token 99")]
    public void OptionsOutOfRangeAreNamed(string name)
    {
        var options = name switch
        {
            "temperature" => Plain with { Temperature = float.NaN },
            "top-p" => Plain with { TopP = 0 },
            "min-p" => Plain with { MinP = 1.5f },
            "repetition penalty" => Plain with { RepetitionPenalty = 0 },
            _ => Plain with { LogitBias = new Dictionary<int, float> { [99] = 1 } },
        };
        var refusal = Assert.Throws<KvasirException>(() => options.Checked(50));
        Assert.Contains(name, refusal.Message, StringComparison.Ordinal);
    }

    private static int Pick(SamplingOptions options, float[] logits, int[]? tokens = null, int promptCount = 1) =>
        new Sampler(options, null, logits.Length).Pick(logits.ToArray().AsSpan(), logits.Max(), tokens ?? [0], promptCount).Token;

    private static void AssertFrequencies(SamplingOptions options, float[] logits, double[] expected)
    {
        const int Draws = 4000;
        var sampler = new Sampler(options, null, logits.Length);
        var counts = new int[logits.Length];
        for (var draw = 0; draw < Draws; draw++)
            counts[sampler.Pick(logits.ToArray().AsSpan(), logits.Max(), new int[draw + 1], 1).Token]++;
        for (var token = 0; token < counts.Length; token++)
        {
            var p = expected[token];
            var tolerance = 5 * Math.Sqrt(p * (1 - p) / Draws);
            Assert.InRange(counts[token] / (double)Draws, p - tolerance, p + tolerance);
        }
    }

    private static double[] Normalised(double[] weights) => [.. weights.Select(w => w / weights.Sum())];

    private static HashSet<int> Allowed(float[] logits, SamplingOptions options)
    {
        var max = logits.Max();
        var sorted = logits.Select((logit, token) => (p: Math.Exp(logit - max), token)).OrderByDescending(x => x.p).ToArray();
        if (options.TopK > 0)
            sorted = sorted[..options.TopK];
        var wanted = sorted.Sum(x => x.p) * options.TopP;
        var allowed = new HashSet<int>();
        var mass = 0.0;
        foreach (var (p, token) in sorted)
        {
            // A hair of slack where float and double sums meet the bound from different sides.
            if (mass >= wanted * (1 + 1e-5))
                break;
            allowed.Add(token);
            mass += p;
        }

        return allowed;
    }
}
