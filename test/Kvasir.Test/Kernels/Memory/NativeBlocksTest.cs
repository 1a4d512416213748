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

    [Fact]
    public void ABlockThatShrinksKeepsItsBeginningAndItsPlace()
    {
        using var blocks = new NativeBlocks(3);
        foreach (var value in (byte[])[1, 2, 3])
            blocks.Add(100).Span<byte>(0, 100).Fill(value);
        blocks.Shrink(1, 40);
        Assert.Equal((3, 240L, 40L), (blocks.Count, blocks.Bytes, blocks.Block(1).Bytes));
        Assert.All(blocks.Block(1).Span<byte>(0, 40).ToArray(), static value => Assert.Equal(2, value));
        blocks.Remove(0);
        Assert.Equal((2, 140L, 2, 3), (blocks.Count, blocks.Bytes, blocks.Block(0).Span<byte>(0, 40)[39], blocks.Block(1).Span<byte>(0, 100)[99]));
        Assert.Throws<ArgumentOutOfRangeException>(() => blocks.Shrink(0, 41));
        Assert.Throws<ArgumentOutOfRangeException>(() => blocks.Remove(2));
    }
}
