using Kvasir.Cache.Slots;

namespace Kvasir.Test.Cache;

/// <summary>Reading ahead goes on while it is worth it, and stops for a while when what is foretold is not wanted.</summary>
public sealed class AheadPaceTest
{
    private const int Layers = 8;

    [Fact]
    public void ItBeginsWhereMuchIsMissing()
    {
        var pace = new AheadPace();
        Assert.False(pace.Pays(Layers));
        pace.EndStep((16 * Layers) - 1, 0, 0);
        Assert.False(pace.Pays(Layers));
        pace.EndStep(16 * Layers, 0, 0);
        Assert.True(pace.Pays(Layers));
        pace.EndStep(0, 0, 0);
        Assert.False(pace.Pays(Layers));
    }

    [Theory]
    [InlineData(100, 49, true)]
    [InlineData(100, 51, false)]
    [InlineData(3, 3, false)]
    public void WhatIsForetoldHasToBeWanted(int foretold, int unwanted, bool goesOn)
    {
        var pace = new AheadPace();
        for (var step = 0; step < 6; step++)
        {
            pace.EndStep(1000, foretold, unwanted);
            Assert.True(pace.Pays(Layers) || step == 5);
        }

        Assert.Equal(goesOn, pace.Pays(Layers));
        // Who was wrong is tried again.
        for (var step = 0; step < 200; step++)
            pace.EndStep(1000, 0, 0);
        Assert.True(pace.Pays(Layers));
    }
}
