using Kvasir.Cache.Slots;

namespace Kvasir.Test.Cache.Slots;

/// <summary>FlexGen's share is of what memory has beside pages that every step writes to: otherwise these would be in each other's way.</summary>
public sealed class SlotOrderTest
{
    private const int Slots = 1024;
    private const int Pages = 4096;

    [Theory]
    [InlineData(0, (1024 - 128) / 4096.0)]
    [InlineData(512, (1024.0 - 128 - 512) / (4096 - 512))]
    [InlineData(1000, 0)]
    public void FlexGensShareLeavesRoomForOpenPages(int open, double share)
    {
        var pages = new PageState[Pages];
        var order = new SlotOrder(pages, Slots, PageEviction.FlexGen, new PageHolds(Pages));
        order.Reserve(0);
        for (var i = 0; i < open; i++)
        {
            pages[4 * i] = new PageState { Slot = i, Flags = PageFlags.Dirty };
            order.Place(i, 4 * i);
        }

        order.BeginStep(Pages);
        Assert.Equal(share, Enumerable.Range(0, Pages).Count(order.IsUsed) / (double)Pages, 0.02);
        Assert.Equal(Pages, Enumerable.Range(0, Pages).Count(page => order.IsUsed(page) || order.Passes(page)));
    }
}
