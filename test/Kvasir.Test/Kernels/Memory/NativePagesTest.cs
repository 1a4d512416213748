using Kvasir.Kernels.Memory;

namespace Kvasir.Test.Kernels.Memory;

public sealed class NativePagesTest
{
    [Fact]
    public void PagesReservedTogetherFollowEachOther()
    {
        using var pages = new NativePages(96, 5);
        pages.Reserve(1);
        pages.Reserve(4);
        Assert.Equal([pages.Addresses[1] + 96, pages.Addresses[1] + 192], pages.Addresses[2..].ToArray());
        for (var page = 0; page < 4; page++)
            pages.Page<int>(page).Fill(page);
        pages.Reserve(2);
        Assert.Equal((4, 4 * 96L), (pages.Count, pages.Bytes));
        for (var page = 0; page < 4; page++)
            Assert.Equal(Enumerable.Repeat(page, 24), pages.Page<int>(page).ToArray());
        Assert.Throws<ArgumentOutOfRangeException>(() => pages.Reserve(6));
    }

    [Fact]
    public void PagesGivenBackAreTakenAgain()
    {
        using var pages = new NativePages(64, 6);
        pages.Reserve(1);
        pages.Reserve(5);
        pages.Page<byte>(2).Fill(7);
        pages.Truncate(3);
        Assert.Equal((3, 5 * 64L), (pages.Count, pages.Bytes));
        Assert.Throws<IndexOutOfRangeException>(() => pages.Page<byte>(3).Length);
        pages.Reserve(6);
        Assert.Equal(7, pages.Page<byte>(2)[63]);
        Assert.Equal((6, 6 * 64L), (pages.Count, pages.Bytes));
        pages.Truncate(1);
        Assert.Equal((1, 64L), (pages.Count, pages.Bytes));
        pages.Truncate(0);
        Assert.Equal((0, 0L), (pages.Count, pages.Bytes));
        pages.Reserve(2);
        Assert.Equal(2, pages.Count);
    }

    [Fact]
    public void StretchesAsLargeAsHugePagesAreOneBlock()
    {
        using var pages = new NativePages(1 << 19, 7);
        pages.Reserve(7);
        Assert.Equal(0, pages.Addresses[0] % (2 << 20));
        Assert.Equal(6 << 19, pages.Addresses[6] - pages.Addresses[0]);
        pages.Page<byte>(6).Fill(1);
    }
}
