using Kvasir.Kernels.Memory;

namespace Kvasir.Test.Kernels.Memory;

public sealed class NativeBlocksTest
{
    [Fact]
    public void BlocksAreKeptUntilTheyAreDropped()
    {
        using var blocks = new NativeBlocks(3);
        blocks.Add(5).Span<byte>(0, 5).Fill(1);
        var large = blocks.Add(3 << 20);
        large.Span<byte>(0, 3 << 20).Fill(2);
        Assert.Equal((2, 5 + (3 << 20)), (blocks.Count, blocks.Bytes));
        blocks.Add(64).Span<byte>(0, 64).Fill(3);
        Assert.Throws<ArgumentOutOfRangeException>(() => blocks.Add(1));
        blocks.Drop();
        Assert.Equal(2, large.Span<byte>(0, 3 << 20)[^1]);
        blocks.Drop();
        blocks.Drop();
        Assert.Equal((0, 0), (blocks.Count, blocks.Bytes));
        Assert.Throws<ArgumentOutOfRangeException>(blocks.Drop);
        Assert.Throws<ArgumentOutOfRangeException>(() => blocks.Add(0));
    }
}
