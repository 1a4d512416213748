using Kvasir.Cache.Slots;
using Kvasir.Models.Configs;

namespace Kvasir.Test.Cache;

/// <summary>What a window keeps, held against counting rows one by one.</summary>
public sealed class KvWindowsTest
{
    private const int PageRows = 4;

    [Fact]
    public void ItKeepsThePagesThatAPositionToComeSeesAndNeverMoreThanItSays()
    {
        for (var tokens = 1; tokens <= 12; tokens++)
        {
            for (var step = 1; step <= 12; step++)
            {
                var windows = new KvWindows(new AttentionShape(1, 1, 1, 8, tokens), PageRows) { StepRows = step };
                var most = 0;
                for (var position = 0; position < 80; position++)
                {
                    var first = Enumerable.Range(0, position + 1).First(row => row > position - tokens);
                    Assert.Equal(first / PageRows, windows.PagesBehind(position));
                    most = Math.Max(most, ((position + step + PageRows - 1) / PageRows) - windows.PagesBehind(position));
                }

                Assert.True(windows.MostPages == most, $"a window of {tokens} in steps of {step} has {most} pages, and says {windows.MostPages}");
            }
        }
    }
}
