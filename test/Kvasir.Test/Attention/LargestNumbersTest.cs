using Kvasir.Attention;

namespace Kvasir.Test.Attention;

public sealed class LargestNumbersTest
{
    [Fact]
    public void TheLargestAreThoseOfASort()
    {
        for (var seed = 0; seed < 400; seed++)
        {
            var random = new Random(seed);
            // Few values, so that many are equal, in every third.
            var values = Enumerable.Range(0, 1 + random.Next(seed < 300 ? 60 : 3000)).Select(_ => seed % 3 == 0 ? random.Next(5) : random.NextSingle()).ToArray();
            var count = 1 + random.Next(values.Length);
            var expected = values.OrderDescending().ElementAt(count - 1);
            var given = values.ToArray();
            Assert.True(expected == LargestNumbers.Largest(given, count), $"seed {seed}: {count} of {values.Length}");
            Assert.Equal(values.Order(), given.Order());
        }
    }

    [Fact]
    public void NaNCountsAsTheSmallest()
    {
        var values = Enumerable.Range(0, 50).Select(static i => i % 2 == 0 ? float.NaN : i).ToArray();
        Assert.Equal(1, LargestNumbers.Largest(values.ToArray(), 25));
        Assert.Equal(float.NegativeInfinity, LargestNumbers.Largest(values.ToArray(), 26));
    }

    [Fact]
    public void TheFewestCoverAShareOfTheExponentials()
    {
        var values = new[] { 0, MathF.Log(2), MathF.Log(3), MathF.Log(4) };
        Assert.Equal(MathF.Log(4), LargestNumbers.Covering(values.ToArray(), 0.39f));
        Assert.Equal(MathF.Log(3), LargestNumbers.Covering(values.ToArray(), 0.41f));
        Assert.Equal(MathF.Log(3), LargestNumbers.Covering(values.ToArray(), 0.69f));
        Assert.Equal(MathF.Log(2), LargestNumbers.Covering(values.ToArray(), 0.89f));
        Assert.Equal(0, LargestNumbers.Covering(values.ToArray(), 0.91f));
    }
}
