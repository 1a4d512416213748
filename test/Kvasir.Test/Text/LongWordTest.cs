using System.Diagnostics;

namespace Kvasir.Test.Text;

/// <summary>A prompt may be one word of any length; merging it must not take the square of its length.</summary>
public sealed class LongWordTest
{
    private const int Length = 100_000;

    [Theory]
    [Trait("Needs", "Minutes")]
    [InlineData("llama3", "a")]
    [InlineData("llama3", " ")]
    [InlineData("llama3", "!")]
    [InlineData("gpt2", "7")]
    [InlineData("gpt2", "\u0301")]
    [InlineData("llama3", "the")]
    [InlineData("tekken", "Ab\u0301")]
    [InlineData("cjk", "a")]
    [InlineData("cjk", " ")]
    [InlineData("cjk", "\u4E2D")]
    public void LengthCostsLittleMoreThanItself(string vocabulary, string unit)
    {
        var tokenizer = TokenizerFixture.FromGguf(vocabulary);
        var text = string.Concat(Enumerable.Repeat(unit, Length / unit.Length));
        var clock = Stopwatch.StartNew();
        var tokens = tokenizer.Encode(text, addBegin: false);
        Assert.Equal(text, tokenizer.Decode(tokens));

        // The square would be 10^10 steps and more; a loaded machine still does n log n within this.
        Assert.True(clock.Elapsed.TotalSeconds < 5, $"{text.Length} characters took {clock.Elapsed}");
    }

    [Fact]
    public void ALongWordMergesAsItsPartsDo()
    {
        var tokenizer = TokenizerFixture.FromJson("llama3");
        var one = tokenizer.Encode(new string('a', 64), addBegin: false);
        var many = tokenizer.Encode(new string('a', 64 * 500), addBegin: false);
        Assert.Equal(one.Length * 500, many.Length);
        Assert.All(many, token => Assert.Equal(one[0], token));
    }
}
