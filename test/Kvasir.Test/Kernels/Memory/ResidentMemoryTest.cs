using Kvasir.Kernels.Memory;

namespace Kvasir.Test.Kernels.Memory;

public sealed class ResidentMemoryTest
{
    // More than the suite can have given back since its peak, which never falls: little where few tests run.
    [Fact]
    [Trait("Needs", "Minutes")]
    public void TouchedMemoryRaisesThePeak()
    {
        var before = ResidentMemory.PeakBytes();
        using (new NativeBuffer(before + (16 << 20)))
            Assert.True(ResidentMemory.PeakBytes() > before, $"peak stayed at {before} bytes");
        Assert.True(ResidentMemory.PeakBytes() > before);
    }

    [Fact]
    public void AvailableMemoryIsPlausible() => Assert.InRange(ResidentMemory.AvailableBytes(), 1 << 20, 1L << 50);

    [Fact]
    public void LinesOfProcAreRead()
    {
        const string Text = "Name:\tkvasir\nVmPeak:\t  200 kB\nVmHWM:\t  123456 kB\nBad:\tx kB\n";
        Assert.Equal(123456L * 1024, ResidentMemory.KibibytesOf(Text, "VmHWM:"));
        Assert.Null(ResidentMemory.KibibytesOf(Text, "VmSwap:"));
        Assert.Null(ResidentMemory.KibibytesOf(Text, "Bad:"));
        Assert.Null(ResidentMemory.KibibytesOf(null, "VmHWM:"));
    }
}
