using Kvasir.Cli.Terminal;

namespace Kvasir.Tools.Test.Cli.Terminal;

public sealed class SpeedTextTest
{
    [Theory]
    [InlineData(1024, 30000, 3.28, "1,024 of 30,000 tokens, 312 tok/s, 1m32s left")]
    [InlineData(0, 100, 7, "0 of 100 tokens, 7.0 s")]
    [InlineData(100, 100, 10, "100 of 100 tokens, 10.0 tok/s, 0 ms left")]
    public void ProgressTellsRateAndTimeLeft(long done, long total, double seconds, string text) => Assert.Equal(text, SpeedText.Describe(done, total, TimeSpan.FromSeconds(seconds)));

    [Theory]
    [InlineData(0.0084, "8 ms")]
    [InlineData(0.9996, "1.0 s")]
    [InlineData(2.44, "2.4 s")]
    [InlineData(59.96, "0m59s")]
    [InlineData(93.9, "1m33s")]
    [InlineData(7500, "2h05m")]
    public void DurationsAreShort(double seconds, string text) => Assert.Equal(text, SpeedText.Duration(TimeSpan.FromSeconds(seconds)));
}
